/* SPDX-License-Identifier: MIT
 *
 * The hub's output: sent at once as far as the kernel takes it; the rest waits
 * here, between two water marks.
 *
 * All on the pump's thread, but for pymhd_hub_buffered().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "hub/hub.h"
#include "transport/stream.h"

/* Small writes that wait are put together up to so many bytes. */
#define BLOB_SIZE ((size_t) 16384)


struct blob *
blob_new (const char *bytes,
          size_t size,
          size_t room)
{
  struct blob *const blob = malloc (sizeof (*blob) + room);

  if (NULL == blob)
    return NULL;
  *blob = (struct blob) { .references = 1, .size = size, .room = room };
  memcpy (blob->bytes, bytes, size);
  return blob;
}


void
blob_unref (struct blob *blob)
{
  if ( (NULL != blob) &&
       (0 == --blob->references) )
    free (blob);
}


static void
outbox_drop_first (struct outbox *outbox)
{
  struct piece *const piece = outbox->first;

  outbox->first = piece->next;
  if (NULL == outbox->first)
    outbox->last = NULL;
  blob_unref (piece->blob);
  free (piece);
}


void
outbox_clear (struct outbox *outbox)
{
  while (NULL != outbox->first)
    outbox_drop_first (outbox);
  outbox->size = 0;
}


/* Takes a reference to the blob, of which so much has been sent. */
bool
outbox_add_blob (struct outbox *outbox,
                 struct blob *blob,
                 size_t sent)
{
  struct piece *const piece = malloc (sizeof (*piece));

  if (NULL == piece)
    return false;
  *piece = (struct piece) { .blob = blob, .sent = sent };
  blob->references++;
  if (NULL == outbox->last)
    outbox->first = piece;
  else
    outbox->last->next = piece;
  outbox->last = piece;
  outbox->size += blob->size - sent;
  return true;
}


/* Puts a copy of the bytes behind the others. */
bool
outbox_add_bytes (struct outbox *outbox,
                  const char *bytes,
                  size_t size)
{
  struct blob *blob = NULL == outbox->last ? NULL : outbox->last->blob;
  bool added;

  if ( (NULL != blob) &&
       (1 == blob->references) &&
       (size <= blob->room - blob->size) )
  {
    memcpy (blob->bytes + blob->size, bytes, size);
    blob->size += size;
    outbox->size += size;
    return true;
  }
  blob = blob_new (bytes, size, size < BLOB_SIZE ? BLOB_SIZE : size);
  if (NULL == blob)
    return false;
  added = outbox_add_blob (outbox, blob, 0);
  blob_unref (blob);
  return added;
}


/* Sends until the kernel takes no more; returns how much it took.  Where that
   ends the connection, the link is lost. */
size_t
outbox_send_some (struct link *link,
                  const char *bytes,
                  size_t size)
{
  size_t sent = 0;

  while (sent < size)
  {
    const ssize_t count = stream_send (&link->stream, bytes + sent, size - sent);

    if (0 <= count)
      sent += (size_t) count;
    else if (EAGAIN == errno)
      break;
    else if (EINTR != errno)
    {
      hub_lose (link, errno);
      break;
    }
  }
  return sent;
}


/* Sends what is in the outbox, as far as the kernel takes it. */
static void
outbox_send_waiting (struct link *link)
{
  struct outbox *const outbox = &link->outbox;
  struct piece *piece;

  while (NULL != (piece = outbox->first))
  {
    const size_t left = piece->blob->size - piece->sent;
    const size_t sent = outbox_send_some (link, piece->blob->bytes + piece->sent, left);

    if (LINK_OPEN != link->life)
      return;                   /* which has cleared the outbox */
    piece->sent += sent;
    outbox->size -= sent;
    if (sent < left)
      break;
    outbox_drop_first (outbox);
  }
  if ( (link->pressed) &&
       (outbox->size <= link->low) )
    hub_queue (link);
}


/* Sends what waits below, and the end that has been asked for, behind it. */
static void
outbox_send_end (struct link *link)
{
  if (OUTPUT_OPEN != link->output)
    stream_end (&link->stream);
  if (0 != stream_flush (&link->stream))
  {
    if (EAGAIN != errno)
      hub_lose (link, errno);
    return;
  }
  if (OUTPUT_CLOSING <= link->output)
    hub_lose (link, 0);
  else if (OUTPUT_SHUTTING == link->output)
    (void) shutdown (link->stream.fd, SHUT_WR);
}


size_t
outbox_waiting (const struct link *link)
{
  return link->outbox.size + stream_waiting (&link->stream);
}


void
outbox_flush (struct link *link)
{
  const size_t waited = outbox_waiting (link);

  if (LINK_OPEN != link->life)
    return;
  outbox_send_waiting (link);
  if ( (LINK_OPEN == link->life) &&
       (0 == link->outbox.size) )
    outbox_send_end (link);
  if ( (LINK_OPEN == link->life) &&
       (outbox_waiting (link) < waited) )
    overdue_renew (link);
}
