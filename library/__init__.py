"""The rules. Each public function is one transaction with its event; every door (route, node, CLI) goes through it."""
