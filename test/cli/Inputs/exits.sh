#!/bin/sh
# Part of Nestor. SPDX-License-Identifier: Apache-2.0
#
# exits.sh STATUS COMMAND...: succeeds when the command exits with exactly this
# status; stderr joins stdout, so that FileCheck sees both.
expected=$1
shift
"$@" 2>&1
status=$?
[ $status -eq "$expected" ] && exit 0
echo "exits.sh: expected status $expected, got $status"
exit 1
