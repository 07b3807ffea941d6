"""The rules. Each public function is one transaction with its event, and every door (route, node, CLI, runner) goes through it."""
