struct MHD_IoVec
{
  const void *iov_base;
  size_t iov_len;
  ...;
};

struct MHD_Response *
MHD_create_response_from_iovec (const struct MHD_IoVec *iov,
                                unsigned int iovcnt,
                                MHD_ContentReaderFreeCallback free_cb,
                                void *cls);
