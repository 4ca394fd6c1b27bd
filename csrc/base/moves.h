/* SPDX-License-Identifier: MIT
 *
 * State machines as tables: for each state, which ones may follow it.  One function
 * moves each machine, and asserts its table.
 */
#pragma once

#include <assert.h>

/* In a table: a state that may follow, one of up to 32. */
#define TO(state) (1u << (state))

#define ASSERT_MOVE(table, from, to) assert (0 != ((table)[from] & TO (to)))
