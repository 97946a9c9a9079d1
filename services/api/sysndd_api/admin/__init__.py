"""The pages: ``/admin`` for administrators and ``/account`` for everyone.

Server-rendered, over the same services as the API: a page does nothing that the API would refuse.
One file of handlers for each area; templates and static files lie beside them.
"""
