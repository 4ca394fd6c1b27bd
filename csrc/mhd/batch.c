/* SPDX-License-Identifier: MIT
 *
 * The batch of events that the pump returns to Python.
 */
#include <stdlib.h>

#include "mhd/batch.h"
#include "api/batch.h"
#include "base/buffer.h"

#define LEAST_EVENTS 64
/* What is kept of a batch's memory: more than most need. */
#define KEPT_EVENTS 4096
#define KEPT_TEXT (1 << 20)


bool
batch_add (struct batch *batch,
           const struct pymhd_event *event)
{
  if (batch->count == batch->room)
  {
    const int room = batch->room ? 2 * batch->room : LEAST_EVENTS;
    struct pymhd_event *const events
      = realloc (batch->events, (size_t) room * sizeof (*events));

    if (NULL == events)
      return false;
    batch->events = events;
    batch->room = room;
  }
  batch->events[batch->count] = *event;
  batch->events[batch->count++].text_end = (int64_t) batch->text.size;
  return true;
}


void
batch_clear (struct batch *batch)
{
  batch->count = 0;
  batch->text.size = 0;
  if (KEPT_EVENTS < batch->room)
  {
    free (batch->events);
    batch->events = NULL;
    batch->room = 0;
  }
  if (KEPT_TEXT < batch->text.room)
  {
    free (batch->text.at);
    batch->text = (struct buffer) { 0 };
  }
}


const struct pymhd_batch *
batch_show (struct batch *batch,
            bool returned)
{
  batch->face = (struct pymhd_batch) {
    .events = batch->events,
    .text = batch->text.at,
    .text_size = batch->text.size,
    .count = batch->count,
    .returned = returned,
  };
  return &batch->face;
}


void
batch_free (struct batch *batch)
{
  free (batch->events);
  free (batch->text.at);
  *batch = (struct batch) { 0 };
}
