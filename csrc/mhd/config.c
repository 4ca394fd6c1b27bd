/* SPDX-License-Identifier: MIT
 *
 * What a driver has been told at its start.
 */
#include <microhttpd.h>

#include "mhd/config.h"


enum driven
config_driven (unsigned int flags)
{
  if (0 != (flags & MHD_USE_THREAD_PER_CONNECTION))
    return BY_THREAD_PER_CONNECTION;
  if (0 == (flags & MHD_USE_INTERNAL_POLLING_THREAD))
    return 0 == (flags & MHD_USE_EPOLL) ? BY_PUMP_SELECT : BY_PUMP_EPOLL;
  return 0 == (flags & (MHD_USE_EPOLL | MHD_USE_AUTO)) ? BY_THREADS_POLL
                                                       : BY_THREADS_EPOLL;
}
