/* SPDX-License-Identifier: MIT
 *
 * How many connections may be upgraded at once.  Any thread.
 */
#pragma once

#include <stdbool.h>

struct pymhd_quota;
struct requests;

/* Takes a place; false if there is none.  No quota: any number. */
bool
quota_take (struct pymhd_quota *quota);

void
quota_give_back (struct pymhd_quota *quota);
