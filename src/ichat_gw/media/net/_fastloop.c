/* The short cut of the relay worker, compiled: the same as in worker.py, without the interpreter and its lock.
 *
 * A Path is the way of RTP from one party to the other. Python loads it with what it knows (`load`) and asks
 * back what has passed (`state`). `Loop.wait` moves packets along the paths; whatever is not the next packet of
 * RTP in sequence from the accepted source it hands to Python, which judges it by the rules and loads the path
 * anew. Until then nothing takes the short cut there, so that no packet overtakes another. */
#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include <Python.h>
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 16        /* packets of one socket at once */
#define EVENTS 256      /* sockets in one round */
#define LONGEST 2048    /* rtp.MAX_PACKET */
#define SIZE (LONGEST + 1)

typedef union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; } Address;

typedef struct {
    PyObject_HEAD
    int in, out;                    /* descriptors */
    int open;                       /* the short cut may be taken */
    Address accepted, target;       /* who is listened to, where it goes */
    uint32_t ssrc, stamp, ticks, ssrc_out;
    uint16_t next, add;
    uint8_t second, second_out;
    double rate, jitter, at;
    unsigned long long packets, octets, sent, sent_octets, errors;  /* since `state` was asked for */
} Path;

typedef struct { int fd, size; Address from; unsigned char bytes[SIZE]; } Odd;

typedef struct {
    PyObject_HEAD
    int poll, sockets;
    Path **path;                    /* by descriptor */
    Odd *odd;                       /* packets for Python */
    int odds;
    unsigned char packet[BATCH][SIZE];
} Loop;

#define ODDS (4 * BATCH)

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static socklen_t length(const Address *a)
{
    return a->any.sa_family == AF_INET6 ? sizeof a->v6 : sizeof a->v4;
}

static int same(const Address *a, const Address *b)
{
    if (a->any.sa_family != b->any.sa_family) return 0;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    return a->v6.sin6_port == b->v6.sin6_port && a->v6.sin6_scope_id == b->v6.sin6_scope_id
        && !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16);
}

/* (host, port) or (host, port, flow, scope) as a socket address; None: `there` is 0. */
static int to_address(PyObject *source, Address *address, int *there)
{
    const char *host;
    int port;
    unsigned flow = 0, scope = 0;
    memset(address, 0, sizeof *address);
    *there = source != Py_None;
    if (!*there) return 1;
    if (!PyArg_ParseTuple(source, "si|II", &host, &port, &flow, &scope)) return 0;
    if (inet_pton(AF_INET, host, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(port);
    } else if (inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons(port);
        address->v6.sin6_flowinfo = htonl(flow);
        address->v6.sin6_scope_id = scope;
    } else *there = 0;
    return 1;
}

static PyObject *from_address(const Address *a)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (a->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &a->v4.sin_addr, host, sizeof host);
        return Py_BuildValue("(si)", host, ntohs(a->v4.sin_port));
    }
    inet_ntop(AF_INET6, &a->v6.sin6_addr, host, sizeof host);
    return Py_BuildValue("(siII)", host, ntohs(a->v6.sin6_port), ntohl(a->v6.sin6_flowinfo),
                         a->v6.sin6_scope_id);
}

/* --- Path ---------------------------------------------------------------------------------------------- */
static PyObject *path_load(Path *p, PyObject *arguments)
{
    PyObject *accepted, *target;
    long long ssrc, ssrc_out;
    int second, second_out, has_source, has_target;
    unsigned next, add;
    if (!PyArg_ParseTuple(arguments, "iOOLIIiidddIIL", &p->out, &accepted, &target, &ssrc, &next, &p->stamp,
                          &second, &second_out, &p->rate, &p->jitter, &p->at, &add, &p->ticks, &ssrc_out))
        return NULL;
    if (!to_address(accepted, &p->accepted, &has_source) || !to_address(target, &p->target, &has_target))
        return NULL;
    p->ssrc = ssrc, p->ssrc_out = ssrc_out, p->next = next, p->add = add;
    p->second = second, p->second_out = second_out;
    p->open = p->out >= 0 && has_source && has_target && second >= 0 && ssrc >= 0;
    Py_RETURN_NONE;
}

static PyObject *path_state(Path *p, PyObject *nothing)
{
    PyObject *state = Py_BuildValue("(IIddKKKKK)", p->next, p->stamp, p->jitter, p->at, p->packets, p->octets,
                                    p->sent, p->sent_octets, p->errors);
    p->packets = p->octets = p->sent = p->sent_octets = p->errors = 0;
    return state;
}
static PyMethodDef path_methods[] = {
    {"load", (PyCFunction)path_load, METH_VARARGS, "Take over what Python knows."},
    {"state", (PyCFunction)path_state, METH_NOARGS, "What has passed since the last time."},
    {0}};
static PyTypeObject PathType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "ichat_gw.media.net._fastloop.Path",
    .tp_basicsize = sizeof(Path), .tp_flags = Py_TPFLAGS_DEFAULT, .tp_methods = path_methods,
    .tp_doc = "The way of RTP from one party to the other."};

/* --- the short cut ------------------------------------------------------------------------------------- */
static uint32_t long_at(const unsigned char *b) { uint32_t v; memcpy(&v, b, 4); return ntohl(v); }
static void put_long(unsigned char *b, uint32_t v) { v = htonl(v); memcpy(b, &v, 4); }

/* Whether the packet takes the short cut; then it is counted, and changed as its receiver knows the stream. */
static int pass(Path *p, unsigned char *b, int size, const Address *from, double at)
{
    uint16_t sequence = b[2] << 8 | b[3];
    uint32_t stamp = long_at(b + 4);
    if (!p->open || size < 12 || size > LONGEST || b[0] != 0x80 || b[1] != p->second || sequence != p->next
        || stamp <= p->stamp || long_at(b + 8) != p->ssrc || !same(from, &p->accepted))
        return 0;
    p->jitter += (fabs((at - p->at) * p->rate - (stamp - p->stamp)) - p->jitter) / 16;
    p->next = sequence + 1, p->stamp = stamp, p->at = at;
    p->packets++, p->octets += size;
    sequence += p->add;
    b[1] = p->second_out, b[2] = sequence >> 8, b[3] = sequence & 0xFF;
    put_long(b + 4, stamp + p->ticks);
    put_long(b + 8, p->ssrc_out);
    return 1;
}

static void send_all(Path *p, struct mmsghdr *message, int count)
{
    for (int done = 0; done < count;) {
        int sent = sendmmsg(p->out, message + done, count - done, 0);
        if (sent <= 0) sent = 0, p->errors++, done++;
        for (int i = done; i < done + sent; i++) p->sent_octets += message[i].msg_len;
        p->sent += sent, done += sent;
    }
}

/* Take what has come in on a path: pass it on, or keep it for Python. */
static void serve(Loop *l, Path *p, double at)
{
    struct iovec part[BATCH];
    struct mmsghdr message[BATCH];
    Address from[BATCH];
    for (int i = 0; i < BATCH; i++) {
        part[i] = (struct iovec){l->packet[i], SIZE};
        message[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &from[i], .msg_namelen = sizeof from[i],
                                                  .msg_iov = &part[i], .msg_iovlen = 1}};
    }
    int room = ODDS - l->odds;
    int got = recvmmsg(p->in, message, room < BATCH ? room : BATCH, MSG_DONTWAIT, NULL), passed = 0;
    if (got < 0 && errno != EAGAIN) p->errors++;
    for (int i = 0; i < got; i++) {
        int size = message[i].msg_len;
        if (pass(p, l->packet[i], size, &from[i], at)) {
            part[i].iov_len = size;
            /* `passed` is never ahead of `i`: what is overwritten has been looked at. */
            message[passed] = (struct mmsghdr){.msg_hdr = {.msg_name = &p->target, .msg_iov = &part[i],
                                                           .msg_namelen = length(&p->target), .msg_iovlen = 1}};
            message[passed++].msg_len = size;
        } else {
            Odd *odd = &l->odd[l->odds++];
            odd->fd = p->in, odd->size = size, odd->from = from[i];
            memcpy(odd->bytes, l->packet[i], size);
            p->open = 0;
        }
    }
    if (passed) send_all(p, message, passed);
}

/* --- Loop ---------------------------------------------------------------------------------------------- */
static PyObject *loop_wait(Loop *l, PyObject *seconds)
{
    struct epoll_event event[EVENTS];
    int other[EVENTS], others = 0;
    double limit = PyFloat_AsDouble(seconds), end = now() + limit;
    if (limit == -1 && PyErr_Occurred()) return NULL;
    l->odds = 0;
    Py_BEGIN_ALLOW_THREADS
    double at = now();
    do {
        int count = epoll_wait(l->poll, event, EVENTS, limit < 0 ? -1 : (int)ceil(fmax(0, end - at) * 1e3));
        at = now();
        if (count < 0) break;   /* a signal: Python will see to it */
        for (int e = 0; e < count; e++) {
            int fd = event[e].data.fd;
            Path *p = fd < l->sockets ? l->path[fd] : NULL;
            if (p == NULL) other[others++] = fd;
            else if (l->odds < ODDS) serve(l, p, at);
        }
    } while (!others && !l->odds && (limit < 0 || at < end));
    Py_END_ALLOW_THREADS
    if (PyErr_CheckSignals()) return NULL;
    PyObject *odds = PyList_New(l->odds), *rest = PyList_New(others);
    for (int i = 0; odds && rest && i < l->odds; i++) {
        Odd *odd = &l->odd[i];
        PyList_SET_ITEM(odds, i, Py_BuildValue("(iNN)", odd->fd,
                        PyByteArray_FromStringAndSize((char *)odd->bytes, odd->size), from_address(&odd->from)));
    }
    for (int i = 0; odds && rest && i < others; i++) PyList_SET_ITEM(rest, i, PyLong_FromLong(other[i]));
    if (PyErr_Occurred()) return Py_XDECREF(odds), Py_XDECREF(rest), NULL;
    return Py_BuildValue("(NN)", odds, rest);
}

static PyObject *loop_open(Loop *l, PyObject *descriptor)
{
    int fd = PyLong_AsLong(descriptor);
    if (fd < 0) return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "not a descriptor");
    if (fd >= l->sockets) {
        Path **more = PyMem_Realloc(l->path, (fd + 64) * sizeof *more);
        if (!more) return PyErr_NoMemory();
        memset(more + l->sockets, 0, (fd + 64 - l->sockets) * sizeof *more);
        l->path = more, l->sockets = fd + 64;
    }
    Path *p = PyObject_New(Path, &PathType);
    if (!p) return NULL;
    memset((char *)p + sizeof(PyObject), 0, sizeof *p - sizeof(PyObject));
    p->in = fd, p->out = -1;
    Py_XSETREF(l->path[fd], (Path *)Py_NewRef(p));
    return (PyObject *)p;
}

static PyObject *loop_close(Loop *l, PyObject *descriptor)
{
    int fd = PyLong_AsLong(descriptor);
    if (fd >= 0 && fd < l->sockets) Py_CLEAR(l->path[fd]);
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}

static PyObject *loop_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    Loop *l = (Loop *)type->tp_alloc(type, 0);
    if (l && (!(l->odd = PyMem_Calloc(ODDS, sizeof(Odd))) || !PyArg_ParseTuple(arguments, "i", &l->poll))) {
        if (!l->odd) PyErr_NoMemory();
        Py_CLEAR(l);
    }
    return (PyObject *)l;
}

static void loop_dealloc(Loop *l)
{
    for (int fd = 0; fd < l->sockets; fd++) Py_XDECREF(l->path[fd]);
    PyMem_Free(l->path), PyMem_Free(l->odd);
    Py_TYPE(l)->tp_free(l);
}
static PyMethodDef loop_methods[] = {
    {"wait", (PyCFunction)loop_wait, METH_O, "Move packets until Python is needed, or for so many seconds."},
    {"open", (PyCFunction)loop_open, METH_O, "A path that begins at this descriptor."},
    {"close", (PyCFunction)loop_close, METH_O, "No path begins there any more."},
    {0}};
static PyTypeObject LoopType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "ichat_gw.media.net._fastloop.Loop",
    .tp_basicsize = sizeof(Loop), .tp_flags = Py_TPFLAGS_DEFAULT, .tp_methods = loop_methods,
    .tp_new = loop_new, .tp_dealloc = (destructor)loop_dealloc,
    .tp_doc = "Moves packets between sockets that an epoll descriptor watches."};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_fastloop", .m_size = -1};

PyMODINIT_FUNC PyInit__fastloop(void)
{
    PyObject *m = PyModule_Create(&module);
    if (m && (PyModule_AddType(m, &PathType) || PyModule_AddType(m, &LoopType))) Py_CLEAR(m);
    return m;
}
