"""Message rules matched to messages: index, conditions, and the work that goes into the commit of a message."""
