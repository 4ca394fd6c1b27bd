/* SPDX-License-Identifier: MIT
 *
 * What Python has the hub send, to one connection or to many; how much of it may wait.
 *
 * All on the pump's thread, but for pymhd_hub_buffered().
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "api/hub.h"
#include "hub/hub.h"
#include "mhd/server.h"


/* Whether so much may wait for its peer, beside what does. */
static bool
outbox_has_room (const struct link *link,
                 size_t size)
{
  const size_t limit = link->hub->server->config.output_limit;
  const size_t waits = outbox_waiting (link);

  return (0 == limit) ||
         ( (waits <= limit) && (size <= limit - waits) );
}


/* Python has to tell its protocol that there is too much. */
static void
outbox_note_if_crossed (struct hub *hub,
                        struct link *link,
                        int32_t connection)
{
  if ( (LINK_OPEN != link->life) ||
       (link->pressed) ||
       (link->outbox.size <= link->high) )
    return;
  if (hub->batch.crossed_count == hub->crossed_room)
  {
    const int room = hub->crossed_room ? 2 * hub->crossed_room : 16;
    int32_t *const crossed = realloc (hub->batch.crossed,
                                      (size_t) room * sizeof (*crossed));

    if (NULL == crossed)
      return;                   /* with its next write */
    hub->batch.crossed = crossed;
    hub->crossed_room = room;
  }
  link->pressed = true;
  hub->batch.crossed[hub->batch.crossed_count++] = connection;
}


/* Sends to one link.  With SHARED, what the kernel does not take waits in a
   blob that is made for the first who needs it. */
static void
outbox_put (struct hub *hub,
            int32_t connection,
            const char *bytes,
            size_t size,
            struct blob **shared)
{
  struct link *const link = hub_link (hub, connection);
  size_t sent = 0;
  bool kept;

  if ( (NULL == link) ||
       (LINK_OPEN != link->life) ||
       (OUTPUT_OPEN != link->output) )
    return;
  if (0 == link->outbox.size)
    sent = outbox_send_some (link, bytes, size);
  if ( (sent == size) ||
       (LINK_OPEN != link->life) )
    return;
  if (! outbox_has_room (link, size - sent))
  {
    hub_cut (link, PYMHD_HUB_CUT_OUTPUT);
    return;
  }
  if (NULL == shared)
    kept = outbox_add_bytes (&link->outbox, bytes + sent, size - sent);
  else
  {
    if (NULL == *shared)
      *shared = blob_new (bytes, size, size);
    kept = (NULL != *shared) && (outbox_add_blob (&link->outbox, *shared, sent));
  }
  if (! kept)
    hub_lose (link, ENOMEM);
  outbox_note_if_crossed (hub, link, connection);
}


/* The pump's thread.  Sends so many writes, whose bytes stand one behind the
   other.  Returns how many connections have passed their high water mark:
   those in the batch's crossed. */
int
pymhd_hub_write (struct pymhd_hub *face,
                 const int32_t *connections,
                 const int64_t *sizes,
                 int count,
                 const char *bytes)
{
  struct hub *const hub = hub_of (face);
  int i;

  if (atomic_load (&hub->server->life.dead))
    return 0;
  hub->batch.crossed_count = 0;
  for (i = 0; i < count; i++)
  {
    size_t size = (size_t) sizes[i];

    /* Several writes of one connection are one send(). */
    while ( (i + 1 < count) &&
            (connections[i] == connections[i + 1]) )
      size += (size_t) sizes[++i];
    outbox_put (hub, connections[i], bytes, size, NULL);
    bytes += size;
  }
  return hub->batch.crossed_count;
}


/* The pump's thread.  Sends one write.  Returns whether the connection has passed its
   high water mark: then it is in the batch's crossed. */
int
pymhd_hub_send (struct pymhd_hub *face,
                int32_t connection,
                const char *bytes,
                size_t size)
{
  struct hub *const hub = hub_of (face);
  if (atomic_load (&hub->server->life.dead))
    return 0;
  hub->batch.crossed_count = 0;
  outbox_put (hub, connection, bytes, size, NULL);
  return hub->batch.crossed_count;
}


/* The pump's thread.  Sends the same bytes to many.  Returns how many of them have
   passed their high water mark: those in the batch's crossed. */
int
pymhd_hub_broadcast (struct pymhd_hub *face,
                     const int32_t *connections,
                     int count,
                     const char *bytes,
                     size_t size)
{
  struct hub *const hub = hub_of (face);
  struct blob *shared = NULL;
  int i;

  if (atomic_load (&hub->server->life.dead))
    return 0;
  hub->batch.crossed_count = 0;
  for (i = 0; i < count; i++)
    outbox_put (hub, connections[i], bytes, size, &shared);
  blob_unref (shared);
  return hub->batch.crossed_count;
}


/* The pump's thread.  Sets the water marks; true if the outbox is above the
   high one now, of which Python did not know. */
int
pymhd_hub_limits (struct pymhd_hub *face,
                  int32_t connection,
                  size_t high,
                  size_t low)
{
  struct hub *const hub = hub_of (face);
  struct link *const link = hub_link (hub, connection);

  if (NULL == link)
    return false;
  link->high = high;
  link->low = low;
  if ( (link->pressed) &&
       (link->outbox.size <= low) )
    hub_queue (link);
  hub->batch.crossed_count = 0;
  outbox_note_if_crossed (hub, link, connection);
  return hub->batch.crossed_count;
}


/* Any thread.  How many bytes wait to be sent. */
size_t
pymhd_hub_buffered (struct pymhd_hub *face,
                    int32_t connection)
{
  struct hub *const hub = hub_of (face);
  const struct link *link;
  size_t size;

  (void) pthread_mutex_lock (&hub->lock);
  link = hub_link (hub, connection);
  size = NULL == link ? 0 : atomic_load (&link->outbox.size);
  (void) pthread_mutex_unlock (&hub->lock);
  return size;
}
