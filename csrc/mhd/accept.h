/* SPDX-License-Identifier: MIT
 *
 * Accepting again when descriptors were short.
 */
#pragma once

#include <stdint.h>

struct pymhd_daemon;

/* libmicrohttpd had no descriptor to accept with, and listens no more. */
void
accept_failed (struct pymhd_daemon *daemon);

/* The pump: milliseconds until it is to be tried again, -1 for never. */
int64_t
accept_patience (const struct pymhd_daemon *daemon);

/* The pump: makes libmicrohttpd listen again, if there are descriptors. */
void
accept_again (struct pymhd_daemon *daemon);
