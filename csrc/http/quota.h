/* SPDX-License-Identifier: MIT
 *
 * How many connections may be upgraded at once.  Any thread.
 */
#pragma once

#include <stdbool.h>

struct pymhd_daemon;

/* Takes a place; false if there is none. */
bool
quota_take (struct pymhd_daemon *daemon);

void
quota_give_back (struct pymhd_daemon *daemon);
