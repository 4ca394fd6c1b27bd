/* SPDX-License-Identifier: MIT
 *
 * Our own short answers.
 */
#include <string.h>

#include "api/response.h"
#include "http/response.h"

static const struct
{
  unsigned int status;
  const char *body;
} refusals[REFUSALS] = {
  [BAD_REQUEST] = { MHD_HTTP_BAD_REQUEST, "400 Bad Request\n" },
  [TOO_LARGE] = { 413, "413 Content Too Large\n" },
  [FAILED] = { MHD_HTTP_INTERNAL_SERVER_ERROR, "500 Internal Server Error\n" },
  [NOT_IMPLEMENTED] = { MHD_HTTP_NOT_IMPLEMENTED, "501 Not Implemented\n" },
  [UNAVAILABLE] = { MHD_HTTP_SERVICE_UNAVAILABLE, "503 Service Unavailable\n" },
  [CROWDED] = { MHD_HTTP_SERVICE_UNAVAILABLE,
                "503 Service Unavailable: too many connections are upgraded\n" },
  [OTHER_VERSION] = { MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED,
                      "505 HTTP Version Not Supported\n" },
};


/* The thread that starts the driver. */
struct pymhd_response *
response_canned (enum refusal which)
{
  /* The last one is for those who may come again. */
  static const char fields[] =
    "Content-Type\0text/plain; charset=utf-8\0Connection\0close\0Retry-After\0005";
  const size_t retry_after = sizeof ("Retry-After\0005");
  const char *const body = refusals[which].body;

  return pymhd_response_new (refusals[which].status,
                             body,
                             strlen (body),
                             fields,
                             sizeof (fields) - (CROWDED == which ? 0 : retry_after));
}
