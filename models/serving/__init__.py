"""Systems behind the chat address: the application, requests, the queue, replies and the socket."""
