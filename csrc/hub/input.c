/* SPDX-License-Identifier: MIT
 *
 * The hub: upgraded connections that the pump serves itself, without a thread
 * or a descriptor of their own.
 *
 * epoll tells of them edge-triggered, so a link stays among the ready ones as
 * long as it may have more to read.  hub_collect() is the only place that
 * reads and that makes events, so those of a connection are in order: made,
 * data, end of input, lost.  It goes once through those that are ready, reads
 * at most READ_SIZE of each, and stops when the arena is full or while Python
 * is still at the last batch.  That bounds the memory, and lets requests and
 * other connections have their turn.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "api/hub.h"
#include "hub/hub.h"
#include "mhd/server.h"
#include "transport/stream.h"
#include "transport/tls.h"

#define READ_SIZE ((size_t) 65536)
/* So little that it stays in a processor's cache until Python has read it. */
#define ARENA_SIZE ((size_t) 262144)
/* Where each piece begins.  The kernel's copy of it begins with a page for the most
   part, and some processors copy 30 times as slowly to a place that lies a few bytes
   behind that, modulo the size of a page: where malloc() puts a large block. */
#define ALIGNMENT ((size_t) 64)
/* As many events as input_attend() makes at most. */
#define EVENTS_OF_A_LINK 4


bool
hub_make_arena (struct hub *hub)
{
  if (NULL == hub->arena)
    hub->arena = aligned_alloc (ALIGNMENT, ARENA_SIZE);
  hub->batch.arena = hub->arena;
  hub->batch.arena_size = ARENA_SIZE;
  return NULL != hub->arena;
}


/* The arena had no room for it: it comes first in the next batch, since behind those
   that have been read and are queued again it would find it full each time. */
static void
input_queue_first (struct link *link)
{
  struct hub *const hub = link->hub;

  link->queued = true;
  link->next = hub->first;
  hub->first = link;
  if (NULL == hub->last)
    hub->last = link;
}


static bool
input_make_room (struct hub *hub)
{
  int room = hub->room ? hub->room : 64;
  int64_t *events;

  if (hub->batch.count + EVENTS_OF_A_LINK <= hub->room)
    return true;
  while (hub->batch.count + EVENTS_OF_A_LINK > room)
    room *= 2;
  events = realloc (hub->batch.events,
                    (size_t) room * sizeof (struct pymhd_hub_event));
  if (NULL == events)
    return false;
  hub->batch.events = events;
  hub->room = room;
  return true;
}


static void
input_tell (struct link *link,
            enum pymhd_hub_kind kind,
            int64_t first,
            int64_t second)
{
  struct hub *const hub = link->hub;

  ((struct pymhd_hub_event *) hub->batch.events)[hub->batch.count++]
    = (struct pymhd_hub_event) {
      .kind = kind,
      .connection = (uint32_t) link->place,
      .first = first,
      .second = second,
    };
}


static void
input_tell_data (struct link *link,
                 size_t size)
{
  struct hub *const hub = link->hub;

  input_tell (link, PYMHD_HUB_DATA, (int64_t) hub->used, (int64_t) (hub->used + size));
  hub->used = (hub->used + size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}


/* What came early comes first. */
static void
input_take_early (struct link *link)
{
  const struct hub *const hub = link->hub;
  const size_t left = link->early_size - link->early_at;
  const size_t size = left < READ_SIZE ? left : READ_SIZE;

  memcpy (hub->arena + hub->used, link->early + link->early_at, size);
  input_tell_data (link, size);
  link->early_at += size;
  hub_queue (link);
  if (size < left)
    return;
  free (link->early);
  link->early = NULL;
}


/* Reads once; the link stays ready if there may be more. */
static void
input_read_some (struct link *link)
{
  const struct hub *const hub = link->hub;
  const ssize_t size = stream_recv (&link->stream, hub->arena + hub->used, READ_SIZE);

  if (0 < size)
  {
    input_tell_data (link, (size_t) size);
    if ( ((size_t) size > READ_SIZE - TLS_RECORD) ||
         (link->stream.hung_up) )
      hub_queue (link);
    else
      link->readable = false;
  }
  else if (0 == size)
  {
    link_set_input (link, INPUT_ENDED);
    input_tell (link, PYMHD_HUB_EOF, 0, 0);
  }
  else if (EAGAIN == errno)
    link->readable = false;
  else if (EINTR == errno)
    hub_queue (link);
  else
    hub_lose (link, errno);
}


/* Makes the events of one link.  False if it cannot, for now. */
static bool
input_attend (struct link *link)
{
  struct hub *const hub = link->hub;

  if ( (! input_make_room (hub)) ||
       (ARENA_SIZE - hub->used < READ_SIZE) )
    return false;
  if (! link->told)
    input_tell (link, PYMHD_HUB_MADE, link->request, link->session);
  link->told = true;
  if ( (link->pressed) &&
       (LINK_OPEN == link->life) &&
       (link->outbox.size <= link->low) )
  {
    link->pressed = false;
    input_tell (link, PYMHD_HUB_DRAINED, 0, 0);
  }
  if ( (LINK_OPEN == link->life) &&
       (OUTPUT_CLOSING > link->output) &&
       (INPUT_OPEN == link->input) )
  {
    /* One piece a batch: Python may pause or close the link at it. */
    if (NULL != link->early)
      input_take_early (link);
    else if (link->readable)
      input_read_some (link);
  }
  if (LINK_LOST == link->life)
  {
    link_enter (link, LINK_TOLD);
    input_tell (link, PYMHD_HUB_LOST, link->error, link->cut);
  }
  return true;
}


bool
hub_is_used (const struct hub *hub)
{
  return 0 != hub->links.used;
}


/* The pump: whether a link waits to be attended to. */
bool
hub_is_ready (const struct hub *hub)
{

  return (0 != hub->batch.count) ||
         (NULL != hub->first) ||
         (atomic_load (&hub->has_arrived));
}


/* Reads what is ready and makes a batch of events, of which there are none. */
static void
input_gather (struct hub *hub)
{
  /* Those that are queued again meanwhile wait for the next batch. */
  const struct link *last = hub->last;

  hub->used = 0;
  hub->batch.is_full = 0;
  while (NULL != last)
  {
    struct link *const link = hub_unqueue (hub);

    if (link == last)
      last = NULL;
    if (LINK_RELEASED == link->life)
      link_free (link);
    else if (! input_attend (link))
    {
      input_queue_first (link);
      hub->batch.is_full = 1;
      break;
    }
  }
}


/* The pump: makes a batch.  Returns how many events there are; nothing happens
   until Python is through with the last ones. */
int
hub_collect (struct hub *hub)
{

  if (0 != hub->batch.count)
    return hub->batch.count;
  if (atomic_load (&hub->has_arrived))
    links_adopt (hub);
  input_gather (hub);
  return hub->batch.count;
}


/* The pump's thread: Python is through with a batch that was full.  Makes another
   one of those that are still ready. */
void
pymhd_hub_collect (struct pymhd_hub *face)
{
  struct hub *const hub = hub_of (face);

  hub->batch.count = hub->batch.is_full = 0;
  if (! atomic_load (&hub->server->life.dead))
    input_gather (hub);
}


/* The pump's thread: whether input is to be read. */
void
pymhd_hub_pause (struct pymhd_hub *face,
                 int32_t connection,
                 int pause)
{
  struct hub *const hub = hub_of (face);
  struct link *const link = hub_link (hub, connection);

  if (NULL == link)
    return;
  link_set_input (link, pause ? INPUT_PAUSED : INPUT_OPEN);
  if (INPUT_PAUSED != link->input)
    hub_queue (link);
}
