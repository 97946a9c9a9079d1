#!/bin/sh
# The password is passed in the environment, because arguments are visible to other users.
REDISCLI_AUTH=$(cat /run/secrets/redis_password) redis-cli --no-auth-warning -h 127.0.0.1 ping | grep -qx PONG
