"""The routes: parse a request, call one library function, render its answer. No rule lives here."""
