/* SPDX-License-Identifier: MIT
 *
 * Sessions that flush or linger, the first to be due first.  The driver's thread alone.
 */
#include "upgrade/session.h"


static struct waiting *
waiting_list (struct session *session)
{
  return FLUSHING == session->state ? &session->sessions->flushing
                                    : &session->sessions->lingering;
}


void
waiting_leave (struct session *session)
{
  struct waiting *const list = waiting_list (session);

  if (NULL != session->previous)
    session->previous->next = session->next;
  else
    list->first = session->next;
  if (NULL != session->next)
    session->next->previous = session->previous;
  else
    list->last = session->previous;
}


/* Behind the others: what is allowed is the same for all, so whoever comes last is
   due last. */
void
waiting_enter (struct session *session)
{
  struct waiting *const list = waiting_list (session);

  session->next = NULL;
  session->previous = list->last;
  if (NULL != session->previous)
    session->previous->next = session;
  else
    list->first = session;
  list->last = session;
}
