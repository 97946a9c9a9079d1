"""The pages: ``/admin`` for administrators and ``/account`` for everyone.

Server-rendered, over the same services as the API: a page does nothing that the API would refuse.
One module of handlers for each area is in ``admin`` and ``account``; templates and static files
are beside them.
"""
