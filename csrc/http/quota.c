/* SPDX-License-Identifier: MIT
 *
 * How many connections may be upgraded at once.
 *
 * A place is taken before the 101 is queued, by the request, which leaves it to the
 * session that it becomes; so nobody is switched who could not be served.  Python
 * owns the structure, which several daemons share, and reads it.
 */
#include "http/quota.h"
#include "api/driver.h"


bool
quota_take (struct pymhd_quota *quota)
{
  if (NULL == quota)
    return true;
  if (__atomic_fetch_add (&quota->used, 1, __ATOMIC_SEQ_CST) < quota->limit)
    return true;
  (void) __atomic_fetch_sub (&quota->used, 1, __ATOMIC_SEQ_CST);
  (void) __atomic_fetch_add (&quota->refused, 1, __ATOMIC_SEQ_CST);
  return false;
}


void
quota_give_back (struct pymhd_quota *quota)
{
  if (NULL != quota)
    (void) __atomic_fetch_sub (&quota->used, 1, __ATOMIC_SEQ_CST);
}
