/* SPDX-License-Identifier: MIT
 *
 * The batch of events that the pump returns to Python.  The pump's thread alone.
 */
#pragma once

#include <stdbool.h>

#include "api/batch.h"
#include "base/buffer.h"

struct batch
{
  struct pymhd_event *events;
  int count;
  int room;
  struct buffer text;             /* what the events' text_end points into */
  struct pymhd_batch face;      /* the batch as Python sees it */
};

/* Adds an event, behind the text that belongs to it.  False if memory is short. */
bool
batch_add (struct batch *batch,
           const struct pymhd_event *event);

/* Forgets the events, and, after a giant batch, their memory. */
void
batch_clear (struct batch *batch);

/* The batch as Python is shown it, until the next call.  RETURNED: a body waits to be
   taken back. */
const struct pymhd_batch *
batch_show (struct batch *batch,
            bool returned);

void
batch_free (struct batch *batch);
