"""What outside programs may say and are told, through whichever door: fields, views as JSON, errors as problems.

The routes and the client's local library both go through here, so that they can neither take nor say other things.
"""
