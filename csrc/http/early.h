/* SPDX-License-Identifier: MIT
 *
 * Requests that libmicrohttpd ends before it asks us for a response.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <microhttpd.h>

struct request;
struct requests;

/* The driver: lines of its header, or between its chunks, have yet to come. */
void
early_begin (struct request *request,
             struct MHD_Connection *connection);

/* The driver: no line of it is still to come. */
void
early_end (struct request *request);

/* Sends a short answer past libmicrohttpd, which is to close the connection and to send
   nothing more.  False if the client has been told something else. */
bool
early_say (struct request *request,
           struct MHD_Connection *connection,
           const char *status);

/* MHD_LogCallback */
void
early_log (void *cls,
           const char *format,
           va_list arguments);
