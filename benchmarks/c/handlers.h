/* SPDX-License-Identifier: MIT
 *
 * What the loads want of the C anchor: a handler makes the response to one
 * request, as the Python servers' handlers of the same names do.
 */
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

/* A request, with its body if it is kept, or only its size. */
struct request
{
  struct MHD_Connection *connection;
  char *body;
  size_t size;
};

struct handler
{
  const char *name;
  struct MHD_Response *
  (*handle) (struct request *request);
  bool keeps_body;
};

/* What `reused` answers with. */
extern struct MHD_Response *shared;

/* Return the handler of this name, or NULL; `file` answers with that file. */
const struct handler *
find_handler (const char *name,
              const char *file);
