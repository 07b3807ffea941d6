"""Owns driving chains by workers of a Temporal server: it keeps what is to be done alive, retried and shared out.

The database stays the only truth. All that Temporal holds of a chain is its id and the ids of its steps; each activity
reads the rows, does what they say, and is safe to do again.

| module | owns |
| --- | --- |
| `messages` | what goes between workflow, activities and pump: plain values, and their names |
| `workflows` | in which order a chain's activities are done, and what it waits for; deterministic, and nothing else |
| `activities` | what is done: the stages of a step and the looks at a chain, as `steps` and `rounds` do them |
| `pump` | the way of what people decide from the event log to the workflows, at least once |
| `worker` | all of this in one process |
"""
