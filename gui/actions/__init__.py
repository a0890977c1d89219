"""What a user can do: each verb one method, with the rule that says when it can be done beside it. QtCore only."""
