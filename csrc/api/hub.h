/* SPDX-License-Identifier: MIT
 *
 * Upgraded connections that the pump serves itself.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum pymhd_hub_kind
{
  PYMHD_HUB_DATA,
  PYMHD_HUB_MADE,
  PYMHD_HUB_EOF,
  PYMHD_HUB_DRAINED,
  PYMHD_HUB_LOST
};

/* In bytes.  Between the marks a protocol's writing is paused and resumed, as
   asyncio has them, unless it says otherwise.  So much is collected before it is
   sent; less waits for the batch's end. */
enum pymhd_hub_size
{
  PYMHD_HUB_LOW_WATER = 16384,
  PYMHD_HUB_HIGH_WATER = 65536,
  PYMHD_HUB_COLLECTED = 16384
};

/* Why we have ended a connection that its peer has not. */
enum pymhd_hub_cut
{
  PYMHD_HUB_NOT_CUT,
  PYMHD_HUB_CUT_OUTPUT,         /* more waited for it than is allowed */
  PYMHD_HUB_CUT_CLOSE           /* it was closed, and took too long */
};

/* DATA: from where to where in the arena.  MADE: the request and the session.
   LOST: an errno, 0 for none, and whether we have cut it. */
struct pymhd_hub_event
{
  int64_t kind;
  int64_t connection;
  int64_t first;
  int64_t second;
};

/* The batch of events, and the hub for all calls: it stays where it is. */
struct pymhd_hub
{
  int count;                    /* Python sets it to 0 when it is through */
  int is_full;                  /* there is more to be read than had room */
  int64_t *events;
  char *arena;
  size_t arena_size;
  int crossed_count;
  int32_t *crossed;
};

void
pymhd_hub_collect (struct pymhd_hub *hub);

int
pymhd_hub_write (struct pymhd_hub *hub,
                 const int32_t *connections,
                 const int64_t *sizes,
                 int count,
                 const char *bytes);

int
pymhd_hub_send (struct pymhd_hub *hub,
                int32_t connection,
                const char *bytes,
                size_t size);

int
pymhd_hub_broadcast (struct pymhd_hub *hub,
                     const int32_t *connections,
                     int count,
                     const char *bytes,
                     size_t size);

int
pymhd_hub_limits (struct pymhd_hub *hub,
                  int32_t connection,
                  size_t high,
                  size_t low);

size_t
pymhd_hub_buffered (struct pymhd_hub *hub,
                    int32_t connection);

void
pymhd_hub_pause (struct pymhd_hub *hub,
                 int32_t connection,
                 int pause);

void
pymhd_hub_shut (struct pymhd_hub *hub,
                int32_t connection);

void
pymhd_hub_close (struct pymhd_hub *hub,
                 int32_t connection,
                 int abort);

void
pymhd_hub_release (struct pymhd_hub *hub,
                   const int32_t *connections,
                   int count);
