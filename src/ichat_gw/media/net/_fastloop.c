/* The short cut of the relay worker, compiled: the same as in worker.py, without the interpreter and its lock.
 *
 * A Path begins at one port of a party. Python loads it with what it knows (`load`) and asks back what has
 * passed (`state`). `Loop.wait` moves the packets that come in there: RTP of the stream that is known, from
 * the accepted source, goes to the other party; what is neither RTP nor RTCP, or comes from a stranger for sure, is
 * counted and dropped. All else is handed to Python, which judges it by the rules (gate.py) and loads the path
 * anew. Until then nothing takes the short cut there, so that no packet overtakes another. */
#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include <Python.h>
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 16        /* packets of one socket at once */
#define ODDS 64         /* packets for Python at once */
#define EVENTS 256      /* sockets in one round */
#define LONGEST 2048    /* rtp.MAX_PACKET */
enum { MAX_DROPOUT = 3000, MAX_MISORDER = 100 };    /* as in stream.py */
#define SIZE (LONGEST + 1)
typedef union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; } Address;

typedef struct {
    PyObject_HEAD
    int in, out;                        /* descriptors */
    int open;                           /* the short cut may be taken */
    int start;                          /* the first two bytes, -1: no short cut */
    uint32_t ssrc, stamp, ticks, ssrc_out, lost;
    uint16_t next, add;
    uint8_t second_out;
    double rate, jitter, at, window_ends;
    Address accepted, target, named;    /* as in gate.Gate; family 0: none */
    Address stranger;                   /* the last one, since Python asked */
    int control;                        /* it is a port for RTCP */
    struct { unsigned long long packets, octets, late, sent, sent_octets, errors, strangers, malformed, early; } n;
} Path;

typedef struct { int fd, size; Address from; unsigned char bytes[SIZE]; } Odd;

typedef struct {
    PyObject_HEAD
    int poll, sockets, odds;
    Path **path;                        /* by descriptor */
    struct mmsghdr got[BATCH], go[BATCH];
    struct iovec room[BATCH], part[BATCH];
    Address from[BATCH];
    unsigned char packet[BATCH][SIZE];
    Odd odd[ODDS];                      /* packets for Python */
} Loop;

static double now(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_MONOTONIC, &t), t.tv_sec + t.tv_nsec / 1e9;
}

static int same(const Address *a, const Address *b)
{
    if (a->any.sa_family != b->any.sa_family) return 0;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    return a->v6.sin6_port == b->v6.sin6_port && a->v6.sin6_scope_id == b->v6.sin6_scope_id
        && !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16);
}

/* "O&" for arguments: (host, port) or (host, port, flow, scope) as a socket address; None: of no family. */
static int to_address(PyObject *source, void *into)
{
    Address *address = into;
    const char *host;
    int port;
    unsigned flow = 0, scope = 0;
    memset(address, 0, sizeof *address);
    if (source == Py_None) return 1;
    if (!PyArg_ParseTuple(source, "si|II", &host, &port, &flow, &scope)) return 0;
    if (inet_pton(AF_INET, host, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(port);
    } else if (inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons(port);
        address->v6.sin6_flowinfo = htonl(flow);
        address->v6.sin6_scope_id = scope;
    }
    return 1;
}

static PyObject *from_address(const Address *a)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (!a->any.sa_family) Py_RETURN_NONE;
    int v6 = a->any.sa_family == AF_INET6;
    inet_ntop(a->any.sa_family, v6 ? (void *)&a->v6.sin6_addr : (void *)&a->v4.sin_addr, host, sizeof host);
    if (!v6) return Py_BuildValue("(si)", host, ntohs(a->v4.sin_port));
    return Py_BuildValue("(siII)", host, ntohs(a->v6.sin6_port), ntohl(a->v6.sin6_flowinfo), a->v6.sin6_scope_id);
}

/* --- Path ---------------------------------------------------------------------------------------------- */
static PyObject *path_load(Path *p, PyObject *arguments)
{
    long long ssrc, ssrc_out;
    if (!PyArg_ParseTuple(arguments, "iO&O&O&dLHIibdddHILI", &p->out, to_address, &p->accepted, to_address,
                          &p->named, to_address, &p->target, &p->window_ends, &ssrc, &p->next, &p->stamp, &p->start,
                          &p->second_out, &p->rate, &p->jitter, &p->at, &p->add, &p->ticks, &ssrc_out, &p->lost))
        return p->open = 0, NULL;
    p->ssrc = ssrc, p->ssrc_out = ssrc_out;
    p->open = p->out >= 0 && p->accepted.any.sa_family && p->target.any.sa_family && p->start >= 0 && ssrc >= 0;
    Py_RETURN_NONE;
}

static PyObject *path_state(Path *p, PyObject *nothing)
{
    PyObject *state = Py_BuildValue("(HIddIO&KKKKKKKKK)", p->next, p->stamp, p->jitter, p->at, p->lost, from_address,
                                    &p->stranger, p->n.packets, p->n.octets, p->n.late, p->n.sent, p->n.sent_octets,
                                    p->n.errors, p->n.strangers, p->n.malformed, p->n.early);
    memset(&p->n, 0, sizeof p->n);
    return state;
}
static PyMethodDef path_methods[] = {
    {"load", (PyCFunction)path_load, METH_VARARGS, "Take over what Python knows."},
    {"state", (PyCFunction)path_state, METH_NOARGS, "What has passed since the last time."}, {0}};
static PyTypeObject PathType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "ichat_gw.media.net._fastloop.Path",
    .tp_basicsize = sizeof(Path), .tp_flags = Py_TPFLAGS_DEFAULT, .tp_methods = path_methods, .tp_doc = "What begins at one port of a party."};

static uint32_t long_at(const unsigned char *b) { uint32_t v; memcpy(&v, b, 4); return ntohl(v); }
static void put_long(unsigned char *b, uint32_t v) { v = htonl(v); memcpy(b, &v, 4); }

/* Whether the packet takes the short cut; then it is counted, and changed as its receiver knows the stream. */
static int pass(Path *p, unsigned char *b, int size, const Address *from, double at)
{
    uint16_t sequence = b[2] << 8 | b[3], ahead = sequence - p->next;
    uint32_t stamp = long_at(b + 4);
    if (!p->open || size < 12 || size > LONGEST || (b[0] << 8 | b[1]) != p->start || long_at(b + 8) != p->ssrc
        || (ahead >= MAX_DROPOUT && ahead <= 0xFFFF - MAX_MISORDER) || !same(from, &p->accepted))
        return 0;
    if (ahead < MAX_DROPOUT) {
        double off = (at - p->at) * p->rate - (int32_t)(stamp - p->stamp);
        if (stamp != p->stamp) p->jitter += (fabs(off) - p->jitter) / 16;
        p->lost += ahead, p->next = sequence + 1, p->stamp = stamp, p->at = at;
    } else p->n.late++, p->lost -= p->lost > 0;
    p->n.packets++, p->n.octets += size;
    sequence += p->add, b[1] = p->second_out, b[2] = sequence >> 8, b[3] = sequence & 0xFF;
    put_long(b + 4, stamp + p->ticks), put_long(b + 8, p->ssrc_out);
    return 1;
}

/* Whether rtp.classify finds RTP, unless that does not belong here, or RTCP. */
static int is_media(const unsigned char *b, int size, int control)
{
    if (size < 8 || size > LONGEST || b[0] >> 6 != 2) return 0;
    if (b[1] >= 192 && b[1] <= 223) return 4 * (b[2] * 256 + b[3] + 1) <= size;
    if (control || ((b[1] & 0x7F) >= 64 && (b[1] & 0x7F) <= 95)) return 0;
    int header = 12 + 4 * (b[0] & 15) + (b[0] & 16 ? 4 : 0);
    if (b[0] & 16 && header <= size) header += 4 * (b[header - 2] * 256 + b[header - 1]);
    return header <= size;
}

/* Whether gate.route would drop the packet for sure, whatever else it found; then it is counted. */
static int drop(Path *p, const unsigned char *b, int size, const Address *from, double at)
{
    int heard = p->accepted.any.sa_family != 0, in_window = at < p->window_ends;
    if (!is_media(b, size, p->control)) return p->n.malformed++, 1;
    if (!p->named.any.sa_family) return p->n.early++, 1;
    if (heard && same(from, &p->accepted)) return 0;
    if (same(from, &p->named) ? in_window || !heard : in_window && !heard) return 0;
    p->stranger = *from;
    return p->n.strangers++, 1;
}

static void send_all(Path *p, struct mmsghdr *message, int count)
{
    for (int done = 0; done < count;) {
        int sent = sendmmsg(p->out, message + done, count - done, 0);
        if (sent <= 0) sent = 0, p->n.errors++, done++;
        for (int i = done; i < done + sent; i++) p->n.sent_octets += message[i].msg_len;
        p->n.sent += sent, done += sent;
    }
}

/* Take what has come in on a path: pass it on, drop it, or keep it for Python. */
static void serve(Loop *l, Path *p, double at)
{
    int room = ODDS - l->odds, passed = 0, v6 = p->target.any.sa_family == AF_INET6;
    socklen_t length = v6 ? sizeof p->target.v6 : sizeof p->target.v4;
    int got = recvmmsg(p->in, l->got, room < BATCH ? room : BATCH, MSG_DONTWAIT, NULL);
    if (got < 0 && errno != EAGAIN) p->n.errors++;
    for (int i = 0; i < got; i++) {
        int size = l->got[i].msg_len;
        l->got[i].msg_hdr.msg_namelen = sizeof(Address);
        if (pass(p, l->packet[i], size, &l->from[i], at)) {
            l->part[passed] = (struct iovec){l->packet[i], size};
            l->go[passed].msg_hdr.msg_name = &p->target;
            l->go[passed++].msg_hdr.msg_namelen = length;
        } else if (!drop(p, l->packet[i], size, &l->from[i], at)) {
            Odd *odd = &l->odd[l->odds++];
            odd->fd = p->in, odd->size = size, odd->from = l->from[i], p->open = 0;
            memcpy(odd->bytes, l->packet[i], size);
        }
    }
    if (passed) send_all(p, l->go, passed);
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
    double at = end - limit;
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
    for (int i = 0; odds && rest && i < l->odds; i++)
        PyList_SET_ITEM(odds, i, Py_BuildValue("(iNN)", l->odd[i].fd, PyByteArray_FromStringAndSize(
                        (char *)l->odd[i].bytes, l->odd[i].size), from_address(&l->odd[i].from)));
    for (int i = 0; odds && rest && i < others; i++) PyList_SET_ITEM(rest, i, PyLong_FromLong(other[i]));
    if (PyErr_Occurred()) return Py_XDECREF(odds), Py_XDECREF(rest), NULL;
    return Py_BuildValue("(NN)", odds, rest);
}

static PyObject *loop_open(Loop *l, PyObject *arguments)
{
    int fd, control;
    if (!PyArg_ParseTuple(arguments, "ip", &fd, &control)) return NULL;
    if (fd < 0) return PyErr_Format(PyExc_ValueError, "not a descriptor");
    if (fd >= l->sockets) {
        Path **more = PyMem_Realloc(l->path, (fd + 64) * sizeof *more);
        if (!more) return PyErr_NoMemory();
        memset(more + l->sockets, 0, (fd + 64 - l->sockets) * sizeof *more);
        l->path = more, l->sockets = fd + 64;
    }
    Path *p = (Path *)PathType.tp_alloc(&PathType, 0);
    if (!p) return NULL;
    p->in = fd, p->out = -1, p->control = control;
    Py_XSETREF(l->path[fd], (Path *)Py_NewRef(p));
    return (PyObject *)p;
}

static PyObject *loop_close(Loop *l, PyObject *descriptor)
{
    int fd = PyLong_AsLong(descriptor);
    if (fd >= 0 && fd < l->sockets) Py_CLEAR(l->path[fd]);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyObject *loop_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    Loop *l = (Loop *)type->tp_alloc(type, 0);
    if (!l || !PyArg_ParseTuple(arguments, "i", &l->poll)) return Py_XDECREF(l), NULL;
    for (int i = 0; i < BATCH; i++) {
        l->room[i] = (struct iovec){l->packet[i], SIZE};
        l->got[i].msg_hdr = (struct msghdr){.msg_name = &l->from[i], .msg_namelen = sizeof(Address),
                                            .msg_iov = &l->room[i], .msg_iovlen = 1};
        l->go[i].msg_hdr = (struct msghdr){.msg_iov = &l->part[i], .msg_iovlen = 1};
    }
    return (PyObject *)l;
}

static void loop_dealloc(Loop *l)
{
    for (int fd = 0; fd < l->sockets; fd++) Py_XDECREF(l->path[fd]);
    PyMem_Free(l->path);
    Py_TYPE(l)->tp_free(l);
}
static PyMethodDef loop_methods[] = {
    {"wait", (PyCFunction)loop_wait, METH_O, "Move packets until Python is needed, or for so many seconds."},
    {"open", (PyCFunction)loop_open, METH_VARARGS, "A path that begins at this descriptor; a port for RTCP?"},
    {"close", (PyCFunction)loop_close, METH_O, "No path begins there any more."}, {0}};
static PyTypeObject LoopType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "ichat_gw.media.net._fastloop.Loop",
    .tp_basicsize = sizeof(Loop), .tp_flags = Py_TPFLAGS_DEFAULT, .tp_methods = loop_methods,
    .tp_new = loop_new, .tp_dealloc = (destructor)loop_dealloc, .tp_doc = "Moves packets between sockets that an epoll descriptor watches."};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_fastloop", .m_size = -1};

PyMODINIT_FUNC PyInit__fastloop(void)
{
    PyObject *m = PyModule_Create(&module);
    if (m && (PyModule_AddType(m, &PathType) || PyModule_AddType(m, &LoopType))) Py_CLEAR(m);
    return m;
}
