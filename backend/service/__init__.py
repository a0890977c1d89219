"""The service process: puts the rooms together, decides what the trainer shall do, answers the verbs."""
