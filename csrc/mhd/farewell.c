/* SPDX-License-Identifier: MIT
 *
 * A last response that libmicrohttpd cannot say any more.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "mhd/client_state.h"
#include "mhd/server.h"
#include "transport/tls.h"

/* RFC 9110, 5.6.7: in English, whatever the locale. */
static void
farewell_format_date (char *text,
                      size_t size)
{
  static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
  static const char months[12][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun",
    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
  };
  const time_t now = time (NULL);
  struct tm tm = { 0 };

  (void) gmtime_r (&now, &tm);
  (void) snprintf (text, size, "%s, %02d %s %04d %02d:%02d:%02d GMT",
                   days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
                   tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}


void
farewell (const struct server *server,
          int fd,
          struct MHD_Connection *connection,
          const char *status)
{
  char date[64];
  char text[256];
  int size;

  farewell_format_date (date, sizeof (date));
  size = snprintf (text, sizeof (text),
                   "HTTP/1.1 %s\r\nDate: %s\r\nConnection: close\r\n"
                   "Content-Length: 0\r\n\r\n",
                   status, date);
  if (! server->config.tls)
    (void) send (fd, text, (size_t) size, MSG_DONTWAIT | MSG_NOSIGNAL);
  else if (NULL != connection)
    tls_say (connection, text, (size_t) size);
}
