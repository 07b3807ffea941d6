"""What outside programs are told, through whichever door they ask: views as JSON, errors as problems.

The routes and the client's local library both say it through here, so that they cannot say it differently.
"""
