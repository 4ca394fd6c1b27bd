/* SPDX-License-Identifier: MIT
 *
 * Who a client is, as text.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "mhd/client.h"
#include "mhd/client_state.h"
#include "transport/tls.h"


void
client_format_address (char *text,
                       size_t size,
                       const struct sockaddr *address)
{
  char host[INET6_ADDRSTRLEN] = "";
  const struct sockaddr_in *const v4 = (const void *) address;
  const struct sockaddr_in6 *const v6 = (const void *) address;

  text[0] = '\0';
  if (NULL == address)
    return;
  if ( (AF_INET6 == address->sa_family) &&
       (IN6_IS_ADDR_V4MAPPED (&v6->sin6_addr)) )
  {
    /* IPv4, on a socket for both: as on one for IPv4 alone. */
    (void) inet_ntop (AF_INET, &v6->sin6_addr.s6_addr[12], host, sizeof (host));
    (void) snprintf (text, size, "%s %u", host, ntohs (v6->sin6_port));
  }
  else if (AF_INET == address->sa_family)
  {
    (void) inet_ntop (AF_INET, &v4->sin_addr, host, sizeof (host));
    (void) snprintf (text, size, "%s %u", host, ntohs (v4->sin_port));
  }
  else if (AF_INET6 == address->sa_family)
  {
    (void) inet_ntop (AF_INET6, &v6->sin6_addr, host, sizeof (host));
    (void) snprintf (text, size, "%s %u %u %u", host, ntohs (v6->sin6_port),
                     ntohl (v6->sin6_flowinfo), v6->sin6_scope_id);
  }
}


const char *
client_address (struct MHD_Connection *connection)
{
  struct client *const client = client_of (connection);

  if (NULL == client)
    return "";
  if (client->undescribed)
  {
    const size_t size = strlen (client->address);

    client->undescribed = false;
    tls_describe (connection, client->address + size,
                  sizeof (client->address) - size);
  }
  return client->address;
}
