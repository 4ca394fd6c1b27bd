# SPDX-License-Identifier: MIT
"""The compiled module: what libmicrohttpd and csrc give to Python.

A function or constant that a later release added is absent from ``lib`` if pymhd was
built against an older one; the comments name the release. tests/meta/test_stub.py
compares the names and the number of parameters with ``lib``. ``bytes`` is a
parameter's type only where C does not keep the pointer.
"""

from typing import NewType, Protocol, TypeAlias

from cffi import FFI

CData: TypeAlias = FFI.CData

DaemonPtr = NewType("DaemonPtr", CData)
ConnectionPtr = NewType("ConnectionPtr", CData)
ResponsePtr = NewType("ResponsePtr", CData)
UpgradeHandlePtr = NewType("UpgradeHandlePtr", CData)
PostProcessorPtr = NewType("PostProcessorPtr", CData)
# Ours: struct pymhd_driver and struct pymhd_response
DriverPtr = NewType("DriverPtr", CData)
HubPtr = NewType("HubPtr", CData)
SharedResponsePtr = NewType("SharedResponsePtr", CData)
FilePtr = NewType("FilePtr", CData)

class Event(Protocol):
    """struct pymhd_event"""

    kind: int
    request: int
    text_end: int
    body: int
    body_size: int
    session: int
    fd: int

class Batch(Protocol):
    """struct pymhd_batch"""

    events: CData
    text: CData
    text_size: int
    count: int
    returned: int

class UpgradeQuota(Protocol):
    """struct pymhd_quota"""

    limit: int
    used: int
    refused: int

class _Lib(Protocol):
    # 0.9.72: types
    MHD_VERSION: int
    MHD_INVALID_SOCKET: int
    MHD_SIZE_UNKNOWN: int
    MHD_ICY_FLAG: int
    MHD_NO: int
    MHD_YES: int
    MHD_RESPONSE_HEADER_KIND: int
    MHD_HEADER_KIND: int
    MHD_COOKIE_KIND: int
    MHD_POSTDATA_KIND: int
    MHD_GET_ARGUMENT_KIND: int
    MHD_FOOTER_KIND: int

    # 0.9.72: basic
    def MHD_basic_auth_get_username_password(
        self, connection: ConnectionPtr, password: CData, /
    ) -> CData: ...
    def MHD_queue_basic_auth_fail_response(
        self, connection: ConnectionPtr, realm: bytes | CData, response: ResponsePtr, /
    ) -> int: ...

    # 0.9.72: connection
    MHD_CONNECTION_OPTION_TIMEOUT: int
    def MHD_get_connection_values(
        self,
        connection: ConnectionPtr,
        kind: int,
        iterator: CData,
        iterator_cls: CData,
        /,
    ) -> int: ...
    def MHD_get_connection_values_n(
        self,
        connection: ConnectionPtr,
        kind: int,
        iterator: CData,
        iterator_cls: CData,
        /,
    ) -> int: ...
    def MHD_set_connection_value(
        self, connection: ConnectionPtr, kind: int, key: CData, value: CData, /
    ) -> int: ...
    def MHD_set_connection_value_n(
        self,
        connection: ConnectionPtr,
        kind: int,
        key: CData,
        key_size: int,
        value: CData,
        value_size: int,
        /,
    ) -> int: ...
    def MHD_lookup_connection_value(
        self, connection: ConnectionPtr, kind: int, key: bytes | CData, /
    ) -> CData: ...
    def MHD_lookup_connection_value_n(
        self,
        connection: ConnectionPtr,
        kind: int,
        key: bytes | CData,
        key_size: int,
        value_ptr: CData,
        value_size_ptr: CData,
        /,
    ) -> int: ...
    def MHD_queue_response(
        self, connection: ConnectionPtr, status_code: int, response: ResponsePtr, /
    ) -> int: ...
    def MHD_suspend_connection(self, connection: ConnectionPtr, /) -> None: ...
    def MHD_resume_connection(self, connection: ConnectionPtr, /) -> None: ...
    def MHD_set_connection_option(
        self, connection: ConnectionPtr, option: int, /, *args: CData
    ) -> int: ...
    def MHD_http_unescape(self, val: CData, /) -> int: ...

    # 0.9.72: daemon
    MHD_NO_FLAG: int
    MHD_USE_ERROR_LOG: int
    MHD_USE_DEBUG: int
    MHD_USE_TLS: int
    MHD_USE_SSL: int
    MHD_USE_THREAD_PER_CONNECTION: int
    MHD_USE_INTERNAL_POLLING_THREAD: int
    MHD_USE_SELECT_INTERNALLY: int
    MHD_USE_IPv6: int
    MHD_USE_PEDANTIC_CHECKS: int
    MHD_USE_POLL: int
    MHD_USE_POLL_INTERNAL_THREAD: int
    MHD_USE_POLL_INTERNALLY: int
    MHD_USE_SUPPRESS_DATE_NO_CLOCK: int
    MHD_SUPPRESS_DATE_NO_CLOCK: int
    MHD_USE_NO_LISTEN_SOCKET: int
    MHD_USE_EPOLL: int
    MHD_USE_EPOLL_LINUX_ONLY: int
    MHD_USE_EPOLL_INTERNAL_THREAD: int
    MHD_USE_EPOLL_INTERNALLY: int
    MHD_USE_EPOLL_INTERNALLY_LINUX_ONLY: int
    MHD_USE_ITC: int
    MHD_USE_PIPE_FOR_SHUTDOWN: int
    MHD_USE_DUAL_STACK: int
    MHD_USE_TURBO: int
    MHD_USE_EPOLL_TURBO: int
    MHD_ALLOW_SUSPEND_RESUME: int
    MHD_USE_SUSPEND_RESUME: int
    MHD_USE_TCP_FASTOPEN: int
    MHD_ALLOW_UPGRADE: int
    MHD_USE_AUTO: int
    MHD_USE_AUTO_INTERNAL_THREAD: int
    MHD_USE_POST_HANDSHAKE_AUTH_SUPPORT: int
    MHD_USE_INSECURE_TLS_EARLY_DATA: int
    MHD_OPTION_END: int
    MHD_OPTION_CONNECTION_MEMORY_LIMIT: int
    MHD_OPTION_CONNECTION_LIMIT: int
    MHD_OPTION_CONNECTION_TIMEOUT: int
    MHD_OPTION_NOTIFY_COMPLETED: int
    MHD_OPTION_PER_IP_CONNECTION_LIMIT: int
    MHD_OPTION_SOCK_ADDR: int
    MHD_OPTION_URI_LOG_CALLBACK: int
    MHD_OPTION_HTTPS_MEM_KEY: int
    MHD_OPTION_HTTPS_MEM_CERT: int
    MHD_OPTION_HTTPS_CRED_TYPE: int
    MHD_OPTION_HTTPS_PRIORITIES: int
    MHD_OPTION_LISTEN_SOCKET: int
    MHD_OPTION_EXTERNAL_LOGGER: int
    MHD_OPTION_THREAD_POOL_SIZE: int
    MHD_OPTION_ARRAY: int
    MHD_OPTION_UNESCAPE_CALLBACK: int
    MHD_OPTION_DIGEST_AUTH_RANDOM: int
    MHD_OPTION_NONCE_NC_SIZE: int
    MHD_OPTION_THREAD_STACK_SIZE: int
    MHD_OPTION_HTTPS_MEM_TRUST: int
    MHD_OPTION_CONNECTION_MEMORY_INCREMENT: int
    MHD_OPTION_HTTPS_CERT_CALLBACK: int
    MHD_OPTION_TCP_FASTOPEN_QUEUE_SIZE: int
    MHD_OPTION_HTTPS_MEM_DHPARAMS: int
    MHD_OPTION_LISTENING_ADDRESS_REUSE: int
    MHD_OPTION_HTTPS_KEY_PASSWORD: int
    MHD_OPTION_NOTIFY_CONNECTION: int
    MHD_OPTION_LISTEN_BACKLOG_SIZE: int
    MHD_OPTION_STRICT_FOR_CLIENT: int
    MHD_OPTION_GNUTLS_PSK_CRED_HANDLER: int
    MHD_OPTION_HTTPS_CERT_CALLBACK2: int
    MHD_OPTION_SERVER_INSANITY: int
    MHD_DSC_SANE: int
    MHD_REQUEST_TERMINATED_COMPLETED_OK: int
    MHD_REQUEST_TERMINATED_WITH_ERROR: int
    MHD_REQUEST_TERMINATED_TIMEOUT_REACHED: int
    MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN: int
    MHD_REQUEST_TERMINATED_READ_ERROR: int
    MHD_REQUEST_TERMINATED_CLIENT_ABORT: int
    MHD_CONNECTION_NOTIFY_STARTED: int
    MHD_CONNECTION_NOTIFY_CLOSED: int
    def MHD_start_daemon_va(
        self,
        flags: int,
        port: int,
        apc: CData,
        apc_cls: CData,
        dh: CData,
        dh_cls: CData,
        ap: CData,
        /,
    ) -> DaemonPtr: ...
    def MHD_start_daemon(
        self,
        flags: int,
        port: int,
        apc: CData,
        apc_cls: CData,
        dh: CData,
        dh_cls: CData,
        /,
        *args: CData,
    ) -> DaemonPtr: ...
    def MHD_quiesce_daemon(self, daemon: DaemonPtr, /) -> int: ...
    def MHD_stop_daemon(self, daemon: DaemonPtr, /) -> None: ...
    def MHD_add_connection(
        self, daemon: DaemonPtr, client_socket: int, addr: CData, addrlen: int, /
    ) -> int: ...
    def MHD_get_fdset(
        self,
        daemon: DaemonPtr,
        read_fd_set: CData,
        write_fd_set: CData,
        except_fd_set: CData,
        max_fd: CData,
        /,
    ) -> int: ...
    def MHD_get_fdset2(
        self,
        daemon: DaemonPtr,
        read_fd_set: CData,
        write_fd_set: CData,
        except_fd_set: CData,
        max_fd: CData,
        fd_setsize: int,
        /,
    ) -> int: ...
    def MHD_get_timeout(self, daemon: DaemonPtr, timeout: CData, /) -> int: ...
    def MHD_run(self, daemon: DaemonPtr, /) -> int: ...
    def MHD_run_from_select(
        self,
        daemon: DaemonPtr,
        read_fd_set: CData,
        write_fd_set: CData,
        except_fd_set: CData,
        /,
    ) -> int: ...
    def MHD_set_panic_func(self, cb: CData, cls: CData, /) -> None: ...
    def MHD_free(self, ptr: CData, /) -> None: ...

    # 0.9.72: digest
    MHD_INVALID_NONCE: int
    MHD_MD5_DIGEST_SIZE: int
    MHD_DIGEST_ALG_AUTO: int
    MHD_DIGEST_ALG_MD5: int
    MHD_DIGEST_ALG_SHA256: int
    def MHD_digest_auth_get_username(self, connection: ConnectionPtr, /) -> CData: ...
    def MHD_digest_auth_check(
        self,
        connection: ConnectionPtr,
        realm: bytes | CData,
        username: bytes | CData,
        password: bytes | CData,
        nonce_timeout: int,
        /,
    ) -> int: ...
    def MHD_digest_auth_check2(
        self,
        connection: ConnectionPtr,
        realm: bytes | CData,
        username: bytes | CData,
        password: bytes | CData,
        nonce_timeout: int,
        algo: int,
        /,
    ) -> int: ...
    def MHD_digest_auth_check_digest(
        self,
        connection: ConnectionPtr,
        realm: bytes | CData,
        username: bytes | CData,
        digest: bytes | CData,
        nonce_timeout: int,
        /,
    ) -> int: ...
    def MHD_digest_auth_check_digest2(
        self,
        connection: ConnectionPtr,
        realm: bytes | CData,
        username: bytes | CData,
        digest: bytes | CData,
        digest_size: int,
        nonce_timeout: int,
        algo: int,
        /,
    ) -> int: ...
    def MHD_queue_auth_fail_response(
        self,
        connection: ConnectionPtr,
        realm: bytes | CData,
        opaque: bytes | CData,
        response: ResponsePtr,
        signal_stale: int,
        /,
    ) -> int: ...
    def MHD_queue_auth_fail_response2(
        self,
        connection: ConnectionPtr,
        realm: bytes | CData,
        opaque: bytes | CData,
        response: ResponsePtr,
        signal_stale: int,
        algo: int,
        /,
    ) -> int: ...

    # 0.9.72: info
    MHD_CONNECTION_INFO_CIPHER_ALGO: int
    MHD_CONNECTION_INFO_PROTOCOL: int
    MHD_CONNECTION_INFO_CLIENT_ADDRESS: int
    MHD_CONNECTION_INFO_GNUTLS_SESSION: int
    MHD_CONNECTION_INFO_GNUTLS_CLIENT_CERT: int
    MHD_CONNECTION_INFO_DAEMON: int
    MHD_CONNECTION_INFO_CONNECTION_FD: int
    MHD_CONNECTION_INFO_SOCKET_CONTEXT: int
    MHD_CONNECTION_INFO_CONNECTION_SUSPENDED: int
    MHD_CONNECTION_INFO_CONNECTION_TIMEOUT: int
    MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE: int
    MHD_DAEMON_INFO_KEY_SIZE: int
    MHD_DAEMON_INFO_MAC_KEY_SIZE: int
    MHD_DAEMON_INFO_LISTEN_FD: int
    MHD_DAEMON_INFO_EPOLL_FD_LINUX_ONLY: int
    MHD_DAEMON_INFO_EPOLL_FD: int
    MHD_DAEMON_INFO_CURRENT_CONNECTIONS: int
    MHD_DAEMON_INFO_FLAGS: int
    MHD_DAEMON_INFO_BIND_PORT: int
    MHD_FEATURE_MESSAGES: int
    MHD_FEATURE_TLS: int
    MHD_FEATURE_SSL: int
    MHD_FEATURE_HTTPS_CERT_CALLBACK: int
    MHD_FEATURE_IPv6: int
    MHD_FEATURE_IPv6_ONLY: int
    MHD_FEATURE_POLL: int
    MHD_FEATURE_EPOLL: int
    MHD_FEATURE_SHUTDOWN_LISTEN_SOCKET: int
    MHD_FEATURE_SOCKETPAIR: int
    MHD_FEATURE_TCP_FASTOPEN: int
    MHD_FEATURE_BASIC_AUTH: int
    MHD_FEATURE_DIGEST_AUTH: int
    MHD_FEATURE_POSTPROCESSOR: int
    MHD_FEATURE_HTTPS_KEY_PASSWORD: int
    MHD_FEATURE_LARGE_FILE: int
    MHD_FEATURE_THREAD_NAMES: int
    MHD_THREAD_NAMES: int
    MHD_FEATURE_UPGRADE: int
    MHD_FEATURE_RESPONSES_SHARED_FD: int
    MHD_FEATURE_AUTODETECT_BIND_PORT: int
    MHD_FEATURE_AUTOSUPPRESS_SIGPIPE: int
    MHD_FEATURE_SENDFILE: int
    MHD_FEATURE_THREADS: int
    MHD_FEATURE_HTTPS_CERT_CALLBACK2: int
    def MHD_get_connection_info(
        self, connection: ConnectionPtr, info_type: int, /, *args: CData
    ) -> CData: ...
    def MHD_get_daemon_info(
        self, daemon: DaemonPtr, info_type: int, /, *args: CData
    ) -> CData: ...
    def MHD_get_version(self) -> CData: ...
    def MHD_is_feature_supported(self, feature: int, /) -> int: ...

    # 0.9.72: post
    def MHD_create_post_processor(
        self,
        connection: ConnectionPtr,
        buffer_size: int,
        iter: CData,
        iter_cls: CData,
        /,
    ) -> PostProcessorPtr: ...
    def MHD_post_process(
        self, pp: PostProcessorPtr, post_data: bytes | CData, post_data_len: int, /
    ) -> int: ...
    def MHD_destroy_post_processor(self, pp: PostProcessorPtr, /) -> int: ...

    # 0.9.72: response
    MHD_CONTENT_READER_END_OF_STREAM: int
    MHD_CONTENT_READER_END_WITH_ERROR: int
    MHD_RF_NONE: int
    MHD_RF_HTTP_VERSION_1_0_ONLY: int
    MHD_RF_HTTP_VERSION_1_0_RESPONSE: int
    MHD_RF_INSANITY_HEADER_CONTENT_LENGTH: int
    MHD_RO_END: int
    MHD_RESPMEM_PERSISTENT: int
    MHD_RESPMEM_MUST_FREE: int
    MHD_RESPMEM_MUST_COPY: int
    def MHD_set_response_options(
        self, response: ResponsePtr, flags: int, /, *args: CData
    ) -> int: ...
    def MHD_create_response_from_callback(
        self, size: int, block_size: int, crc: CData, crc_cls: CData, crfc: CData, /
    ) -> ResponsePtr: ...
    def MHD_create_response_from_data(
        self, size: int, data: CData, must_free: int, must_copy: int, /
    ) -> ResponsePtr: ...
    def MHD_create_response_from_buffer(
        self, size: int, buffer: CData, mode: int, /
    ) -> ResponsePtr: ...
    def MHD_create_response_from_buffer_with_free_callback(
        self, size: int, buffer: CData, crfc: CData, /
    ) -> ResponsePtr: ...
    def MHD_create_response_from_fd(self, size: int, fd: int, /) -> ResponsePtr: ...
    def MHD_create_response_from_pipe(self, fd: int, /) -> ResponsePtr: ...
    def MHD_create_response_from_fd64(self, size: int, fd: int, /) -> ResponsePtr: ...
    def MHD_create_response_from_fd_at_offset(
        self, size: int, fd: int, offset: int, /
    ) -> ResponsePtr: ...
    def MHD_create_response_from_fd_at_offset64(
        self, size: int, fd: int, offset: int, /
    ) -> ResponsePtr: ...
    def MHD_destroy_response(self, response: ResponsePtr, /) -> None: ...
    def MHD_add_response_header(
        self, response: ResponsePtr, header: bytes | CData, content: bytes | CData, /
    ) -> int: ...
    def MHD_add_response_footer(
        self, response: ResponsePtr, footer: bytes | CData, content: bytes | CData, /
    ) -> int: ...
    def MHD_del_response_header(
        self, response: ResponsePtr, header: bytes | CData, content: bytes | CData, /
    ) -> int: ...
    def MHD_get_response_headers(
        self, response: ResponsePtr, iterator: CData, iterator_cls: CData, /
    ) -> int: ...
    def MHD_get_response_header(
        self, response: ResponsePtr, key: bytes | CData, /
    ) -> CData: ...
    def MHD_get_reason_phrase_for(self, code: int, /) -> CData: ...

    # 0.9.72: upgrade
    MHD_UPGRADE_ACTION_CLOSE: int
    MHD_UPGRADE_ACTION_CORK_ON: int
    MHD_UPGRADE_ACTION_CORK_OFF: int
    def MHD_upgrade_action(
        self, urh: UpgradeHandlePtr, action: int, /, *args: CData
    ) -> int: ...
    def MHD_create_response_for_upgrade(
        self, upgrade_handler: CData, upgrade_handler_cls: CData, /
    ) -> ResponsePtr: ...

    # 0.9.73: daemon
    MHD_OPTION_SIGPIPE_HANDLED_BY_APP: int
    MHD_OPTION_TLS_NO_ALPN: int
    def MHD_run_wait(self, daemon: DaemonPtr, millisec: int, /) -> int: ...

    # 0.9.73: response
    def MHD_create_response_from_iovec(
        self, iov: CData, iovcnt: int, free_cb: CData, cls: CData, /
    ) -> ResponsePtr: ...

    # 0.9.74: info
    MHD_CONNECTION_INFO_HTTP_STATUS: int

    # 0.9.74: response
    MHD_RF_HTTP_1_0_COMPATIBLE_STRICT: int
    MHD_RF_HTTP_1_0_SERVER: int
    MHD_RF_SEND_KEEP_ALIVE_HEADER: int
    def MHD_create_response_from_buffer_with_free_callback_cls(
        self, size: int, buffer: CData, crfc: CData, crfc_cls: CData, /
    ) -> ResponsePtr: ...
    def MHD_get_reason_phrase_len_for(self, code: int, /) -> int: ...

    # 0.9.77: info
    def MHD_get_version_bin(self) -> int: ...

    # 1.0.0: basic
    def MHD_basic_auth_get_username_password3(
        self, connection: ConnectionPtr, /
    ) -> CData: ...
    def MHD_queue_basic_auth_required_response3(
        self,
        connection: ConnectionPtr,
        realm: bytes | CData,
        prefer_utf8: int,
        response: ResponsePtr,
        /,
    ) -> int: ...

    # 1.0.0: daemon
    MHD_USE_NO_THREAD_SAFETY: int
    MHD_OPTION_DIGEST_AUTH_RANDOM_COPY: int
    MHD_OPTION_DIGEST_AUTH_NONCE_BIND_TYPE: int
    MHD_OPTION_HTTPS_PRIORITIES_APPEND: int
    MHD_OPTION_CLIENT_DISCIPLINE_LVL: int
    MHD_OPTION_APP_FD_SETSIZE: int
    MHD_OPTION_SOCK_ADDR_LEN: int
    MHD_OPTION_DIGEST_AUTH_DEFAULT_NONCE_TIMEOUT: int
    MHD_OPTION_DIGEST_AUTH_DEFAULT_MAX_NC: int
    MHD_DAUTH_BIND_NONCE_NONE: int
    MHD_DAUTH_BIND_NONCE_REALM: int
    MHD_DAUTH_BIND_NONCE_URI: int
    MHD_DAUTH_BIND_NONCE_URI_PARAMS: int
    MHD_DAUTH_BIND_NONCE_CLIENT_IP: int
    def MHD_get_timeout64(self, daemon: DaemonPtr, timeout: CData, /) -> int: ...
    def MHD_get_timeout64s(self, daemon: DaemonPtr, /) -> int: ...
    def MHD_get_timeout_i(self, daemon: DaemonPtr, /) -> int: ...
    def MHD_run_from_select2(
        self,
        daemon: DaemonPtr,
        read_fd_set: CData,
        write_fd_set: CData,
        except_fd_set: CData,
        fd_setsize: int,
        /,
    ) -> int: ...

    # 1.0.0: digest
    MHD_SHA256_DIGEST_SIZE: int
    MHD_SHA512_256_DIGEST_SIZE: int
    MHD_DIGEST_AUTH_ALGO3_NON_SESSION: int
    MHD_DIGEST_AUTH_ALGO3_SESSION: int
    MHD_DIGEST_AUTH_INVALID_NC_VALUE: int
    MHD_DIGEST_BASE_ALGO_INVALID: int
    MHD_DIGEST_BASE_ALGO_MD5: int
    MHD_DIGEST_BASE_ALGO_SHA256: int
    MHD_DIGEST_BASE_ALGO_SHA512_256: int
    MHD_DIGEST_AUTH_ALGO3_INVALID: int
    MHD_DIGEST_AUTH_ALGO3_MD5: int
    MHD_DIGEST_AUTH_ALGO3_MD5_SESSION: int
    MHD_DIGEST_AUTH_ALGO3_SHA256: int
    MHD_DIGEST_AUTH_ALGO3_SHA256_SESSION: int
    MHD_DIGEST_AUTH_ALGO3_SHA512_256: int
    MHD_DIGEST_AUTH_ALGO3_SHA512_256_SESSION: int
    MHD_DIGEST_AUTH_MULT_ALGO3_INVALID: int
    MHD_DIGEST_AUTH_MULT_ALGO3_MD5: int
    MHD_DIGEST_AUTH_MULT_ALGO3_MD5_SESSION: int
    MHD_DIGEST_AUTH_MULT_ALGO3_SHA256: int
    MHD_DIGEST_AUTH_MULT_ALGO3_SHA256_SESSION: int
    MHD_DIGEST_AUTH_MULT_ALGO3_SHA512_256: int
    MHD_DIGEST_AUTH_MULT_ALGO3_SHA512_256_SESSION: int
    MHD_DIGEST_AUTH_MULT_ALGO3_SHA_ANY_NON_SESSION: int
    MHD_DIGEST_AUTH_MULT_ALGO3_ANY_NON_SESSION: int
    MHD_DIGEST_AUTH_MULT_ALGO3_SHA_ANY_SESSION: int
    MHD_DIGEST_AUTH_MULT_ALGO3_ANY_SESSION: int
    MHD_DIGEST_AUTH_MULT_ALGO3_MD5_ANY: int
    MHD_DIGEST_AUTH_MULT_ALGO3_SHA256_ANY: int
    MHD_DIGEST_AUTH_MULT_ALGO3_SHA512_256_ANY: int
    MHD_DIGEST_AUTH_MULT_ALGO3_SHA_ANY_ANY: int
    MHD_DIGEST_AUTH_MULT_ALGO3_ANY: int
    MHD_DIGEST_AUTH_UNAME_TYPE_MISSING: int
    MHD_DIGEST_AUTH_UNAME_TYPE_STANDARD: int
    MHD_DIGEST_AUTH_UNAME_TYPE_EXTENDED: int
    MHD_DIGEST_AUTH_UNAME_TYPE_USERHASH: int
    MHD_DIGEST_AUTH_UNAME_TYPE_INVALID: int
    MHD_DIGEST_AUTH_QOP_INVALID: int
    MHD_DIGEST_AUTH_QOP_NONE: int
    MHD_DIGEST_AUTH_QOP_AUTH: int
    MHD_DIGEST_AUTH_QOP_AUTH_INT: int
    MHD_DIGEST_AUTH_MULT_QOP_INVALID: int
    MHD_DIGEST_AUTH_MULT_QOP_NONE: int
    MHD_DIGEST_AUTH_MULT_QOP_AUTH: int
    MHD_DIGEST_AUTH_MULT_QOP_AUTH_INT: int
    MHD_DIGEST_AUTH_MULT_QOP_ANY_NON_INT: int
    MHD_DIGEST_AUTH_MULT_QOP_AUTH_ANY: int
    MHD_DAUTH_OK: int
    MHD_DAUTH_ERROR: int
    MHD_DAUTH_WRONG_HEADER: int
    MHD_DAUTH_WRONG_USERNAME: int
    MHD_DAUTH_WRONG_REALM: int
    MHD_DAUTH_WRONG_URI: int
    MHD_DAUTH_WRONG_QOP: int
    MHD_DAUTH_WRONG_ALGO: int
    MHD_DAUTH_TOO_LARGE: int
    MHD_DAUTH_NONCE_STALE: int
    MHD_DAUTH_NONCE_OTHER_COND: int
    MHD_DAUTH_NONCE_WRONG: int
    MHD_DAUTH_RESPONSE_WRONG: int
    def MHD_digest_get_hash_size(self, algo3: int, /) -> int: ...
    def MHD_digest_auth_calc_userhash(
        self,
        algo3: int,
        username: bytes | CData,
        realm: bytes | CData,
        userhash_bin: CData,
        bin_buf_size: int,
        /,
    ) -> int: ...
    def MHD_digest_auth_calc_userhash_hex(
        self,
        algo3: int,
        username: bytes | CData,
        realm: bytes | CData,
        userhash_hex: CData,
        hex_buf_size: int,
        /,
    ) -> int: ...
    def MHD_digest_auth_calc_userdigest(
        self,
        algo3: int,
        username: bytes | CData,
        realm: bytes | CData,
        password: bytes | CData,
        userdigest_bin: CData,
        bin_buf_size: int,
        /,
    ) -> int: ...
    def MHD_digest_auth_get_request_info3(
        self, connection: ConnectionPtr, /
    ) -> CData: ...
    def MHD_digest_auth_get_username3(self, connection: ConnectionPtr, /) -> CData: ...
    def MHD_digest_auth_check3(
        self,
        connection: ConnectionPtr,
        realm: bytes | CData,
        username: bytes | CData,
        password: bytes | CData,
        nonce_timeout: int,
        max_nc: int,
        mqop: int,
        malgo3: int,
        /,
    ) -> int: ...
    def MHD_digest_auth_check_digest3(
        self,
        connection: ConnectionPtr,
        realm: bytes | CData,
        username: bytes | CData,
        userdigest: bytes | CData,
        userdigest_size: int,
        nonce_timeout: int,
        max_nc: int,
        mqop: int,
        malgo3: int,
        /,
    ) -> int: ...
    def MHD_queue_auth_required_response3(
        self,
        connection: ConnectionPtr,
        realm: bytes | CData,
        opaque: bytes | CData,
        domain: bytes | CData,
        response: ResponsePtr,
        signal_stale: int,
        mqop: int,
        algo: int,
        userhash_support: int,
        prefer_utf8: int,
        /,
    ) -> int: ...

    # 1.0.0: info
    MHD_FEATURE_HTTPS_COOKIE_PARSING: int
    MHD_FEATURE_DIGEST_AUTH_RFC2069: int
    MHD_FEATURE_DIGEST_AUTH_MD5: int
    MHD_FEATURE_DIGEST_AUTH_SHA256: int
    MHD_FEATURE_DIGEST_AUTH_SHA512_256: int
    MHD_FEATURE_DIGEST_AUTH_AUTH_INT: int
    MHD_FEATURE_DIGEST_AUTH_ALGO_SESSION: int
    MHD_FEATURE_DIGEST_AUTH_USERHASH: int
    MHD_FEATURE_EXTERN_HASH: int
    MHD_FEATURE_DEBUG_BUILD: int
    MHD_FEATURE_FLEXIBLE_FD_SETSIZE: int

    # 1.0.0: response
    MHD_RF_HEAD_ONLY_RESPONSE: int
    def MHD_create_response_empty(self, flags: int, /) -> ResponsePtr: ...
    def MHD_create_response_from_buffer_static(
        self, size: int, buffer: CData, /
    ) -> ResponsePtr: ...
    def MHD_create_response_from_buffer_copy(
        self, size: int, buffer: bytes | CData, /
    ) -> ResponsePtr: ...

    # 1.0.2: info
    MHD_FEATURE_COOKIE_PARSING: int

    # 1.0.3: connection
    def MHD_get_connection_URI_path_n(
        self, connection: ConnectionPtr, uri: CData, uri_size: CData, /
    ) -> int: ...

    # 1.0.3: daemon
    MHD_OPTION_ALLOW_BIN_ZERO_IN_URI_PATH: int

    # csrc/api/
    PYMHD_EVENT_REQUEST: int
    PYMHD_EVENT_UPGRADED: int
    PYMHD_EVENT_ABANDONED: int
    PYMHD_ALONG: int
    PYMHD_HEAD_TARGET: int
    PYMHD_HEAD_METHOD: int
    PYMHD_HEAD_VERSION: int
    PYMHD_HEAD_CLIENT: int
    PYMHD_HEAD_FIELDS: int
    PYMHD_HUB_LOW_WATER: int
    PYMHD_HUB_HIGH_WATER: int
    PYMHD_HUB_COLLECTED: int
    PYMHD_LOG_LINE: int
    PYMHD_FDSET_READ: int
    PYMHD_FDSET_WRITE: int
    PYMHD_FDSET_EXCEPT: int
    def MHD_response_for_upgrade(
        self, upgrade_handler: CData, upgrade_handler_cls: CData, /
    ) -> ResponsePtr: ...
    def pymhd_queue_upgrade(
        self, connection: ConnectionPtr, response: ResponsePtr, /
    ) -> int: ...
    def pymhd_response_new(
        self,
        status: int,
        body: bytes,
        body_size: int,
        fields: bytes,
        fields_size: int,
        /,
    ) -> SharedResponsePtr: ...
    def pymhd_response_new_zero_copy(
        self,
        status: int,
        body: CData,
        body_size: int,
        fields: bytes,
        fields_size: int,
        /,
    ) -> SharedResponsePtr: ...
    def pymhd_response_new_upgrade(
        self, fields: bytes, fields_size: int, /
    ) -> SharedResponsePtr: ...
    def pymhd_response_new_hub(
        self, fields: bytes, fields_size: int, /
    ) -> SharedResponsePtr: ...
    def pymhd_response_new_file(
        self,
        status: int,
        file: FilePtr,
        offset: int,
        size: int,
        fields: bytes,
        fields_size: int,
        /,
    ) -> SharedResponsePtr: ...
    def pymhd_response_new_pieces(
        self,
        status: int,
        pieces: CData,
        count: int,
        fields: bytes,
        fields_size: int,
        /,
    ) -> SharedResponsePtr: ...
    def pymhd_file_new(self, fd: int, /) -> FilePtr: ...
    def pymhd_file_unref(self, file: FilePtr, /) -> None: ...
    def pymhd_response_ref(self, response: SharedResponsePtr, /) -> None: ...
    def pymhd_response_unref(self, response: SharedResponsePtr, /) -> None: ...
    def pymhd_zero_copy_lend(self) -> int: ...
    def pymhd_zero_copy_take(self) -> int: ...
    def pymhd_driver_new(self, owner: int, /) -> DriverPtr: ...
    def pymhd_driver_start(self, driver: DriverPtr, settings: CData, /) -> int: ...
    def pymhd_driver_reason(self, driver: DriverPtr, /) -> CData: ...
    def pymhd_driver_refuse(self, driver: DriverPtr, /) -> None: ...
    def pymhd_driver_quiesce(self, driver: DriverPtr, /) -> None: ...
    def pymhd_driver_stop(self, driver: DriverPtr, /) -> None: ...
    def pymhd_driver_free(self, driver: DriverPtr, /) -> None: ...
    def pymhd_driver_connections(self, driver: DriverPtr, /) -> int: ...
    def pymhd_driver_requests(self, driver: DriverPtr, /) -> int: ...
    def pymhd_driver_upgraded(self, driver: DriverPtr, /) -> int: ...
    def pymhd_driver_shutdown(self, driver: DriverPtr, how: int, /) -> None: ...
    def pymhd_driver_hub(self, driver: DriverPtr, /) -> HubPtr: ...
    def pymhd_pump_answer(
        self, driver: DriverPtr, answers: bytes | CData, size: int, /
    ) -> None: ...
    def pymhd_pump(self, driver: DriverPtr, timeout_ms: int, /) -> Batch: ...
    def pymhd_pump_batch(self, driver: DriverPtr, /) -> Batch: ...
    def pymhd_pump_wake(self, driver: DriverPtr, /) -> None: ...
    def pymhd_pump_timeout(self, driver: DriverPtr, /) -> int: ...
    def pymhd_pump_fileno(self, driver: DriverPtr, /) -> int: ...
    def pymhd_pump_fdset(
        self, driver: DriverPtr, watched: CData, size: int, /
    ) -> None: ...
    PYMHD_HUB_DATA: int
    PYMHD_HUB_MADE: int
    PYMHD_HUB_EOF: int
    PYMHD_HUB_DRAINED: int
    PYMHD_HUB_LOST: int
    PYMHD_HUB_NOT_CUT: int
    PYMHD_HUB_CUT_OUTPUT: int
    PYMHD_HUB_CUT_CLOSE: int
    PYMHD_PRIORITIES_GOOD: int
    PYMHD_PRIORITIES_EMPTY: int
    def pymhd_hub_collect(self, hub: HubPtr, /) -> None: ...
    def pymhd_hub_write(
        self,
        hub: HubPtr,
        connections: list[int],
        sizes: list[int],
        count: int,
        data: bytes,
        /,
    ) -> int: ...
    def pymhd_hub_send(
        self, hub: HubPtr, connection: int, data: bytes, size: int, /
    ) -> int: ...
    def pymhd_hub_broadcast(
        self,
        hub: HubPtr,
        connections: list[int],
        count: int,
        data: bytes,
        size: int,
        /,
    ) -> int: ...
    def pymhd_hub_limits(
        self, hub: HubPtr, connection: int, high: int, low: int, /
    ) -> int: ...
    def pymhd_hub_buffered(self, hub: HubPtr, connection: int, /) -> int: ...
    def pymhd_hub_pause(self, hub: HubPtr, connection: int, pause: int, /) -> None: ...
    def pymhd_hub_shut(self, hub: HubPtr, connection: int, /) -> None: ...
    def pymhd_hub_close(self, hub: HubPtr, connection: int, abort: int, /) -> None: ...
    def pymhd_hub_release(
        self, hub: HubPtr, connections: list[int], count: int, /
    ) -> None: ...
    def pymhd_session_dup(self, session: int, /) -> int: ...
    def pymhd_session_close(self, session: int, /) -> int: ...
    def pymhd_sessions_live(self) -> int: ...
    def pymhd_session_error(self, session: int, /) -> int: ...
    def pymhd_tls_supported(self) -> int: ...
    def pymhd_tls_error(self, error: int, /) -> CData: ...
    def pymhd_tls_check_pair(
        self, cert: bytes, key: bytes, password: bytes | CData, /
    ) -> int: ...
    def pymhd_tls_validity(
        self, cert: bytes, not_before: CData, not_after: CData, /
    ) -> int: ...
    def pymhd_tls_check_ca(self, ca: bytes, /) -> int: ...
    def pymhd_tls_check_priorities(self, priorities: bytes, /) -> int: ...
    def pymhd_session_is_live(self, session: int, /) -> int: ...
    def pymhd_session_limit(self, session: int, limit_ms: int, /) -> None: ...
    def pymhd_session_touch(self, session: int, /) -> None: ...
    def pymhd_log_next(self, line: CData, size: int, /) -> int: ...
    def pymhd_log_wait(self) -> None: ...
    def pymhd_log_wake(self) -> None: ...
    def pymhd_log_dropped(self) -> int: ...
    def pymhd_header_version(self) -> int: ...
    def pymhd_forked(self) -> None: ...
    def pymhd_on_request(
        self, owner: int, event: CData, text: CData, /
    ) -> SharedResponsePtr: ...
    def pymhd_on_upgraded(self, owner: int, event: CData, text: CData, /) -> None: ...
    def pymhd_on_abandoned(self, owner: int, request: int, /) -> None: ...

ffi: FFI
lib: _Lib
