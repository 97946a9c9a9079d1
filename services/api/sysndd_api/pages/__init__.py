"""The pages: ``/admin`` for administrators and ``/account`` for everyone.

The server renders them with the same services as the API, so a page can't do anything that the API
rejects. ``admin`` and ``account`` contain one module of handlers for each area; ``templates`` and
``static`` contain the rest.
"""
