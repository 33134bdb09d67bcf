package payload

import (
	"errors"
	"io"
	"sync"
)

// firstRead is the largest buffer that is made because a length was announced;
// more is made as it fills, for what is announced need not come.
const firstRead = 64 << 10

// readAll reads r to its end, or a byte more than limit. expected is the length
// that was announced, -1 if none was; room is asked before the buffer grows to n
// bytes.
func readAll(r io.Reader, limit, expected int64, room func(n int64) error) ([]byte, error) {
	var buf []byte
	for int64(len(buf)) <= limit {
		if len(buf) == cap(buf) {
			size := min(nextSize(int64(cap(buf)), expected), limit+1)
			if err := room(size); err != nil {
				return nil, err
			}
			buf = append(make([]byte, 0, size), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
	return buf, nil
}

// nextSize is the size of the buffer after one of have bytes. A byte more than
// announced lets the end be seen without growing again.
func nextSize(have, expected int64) int64 {
	switch {
	case expected < 0, have > expected:
		return max(8<<10, have+have/2)
	case have == 0:
		return min(expected+1, firstRead)
	default:
		return min(expected+1, 4*have)
	}
}

// outgoing is a body on its way. Transports hold a request until its reply has
// ended, and a reply may stream for long, so the bytes are let go once they are
// out.
type outgoing struct {
	mu    sync.Mutex
	data  []byte // nil once let go
	size  int
	isOut bool // a reader has given everything
}

// takeOver gives the whole body to another one to send, who holds it alone from
// then on; nil if some of it has been read.
func (r *outgoingReader) takeOver() []byte {
	o := r.outgoing
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.at > 0 {
		return nil
	}
	body := o.data
	o.data = nil
	return body
}

func newOutgoing(body []byte) *outgoing { return &outgoing{data: body, size: len(body)} }

// letGo lets the bytes go if they are out, and tells whether they are. An
// upstream that answers before it has read everything may still be sent the rest.
func (o *outgoing) letGo() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.isOut {
		o.data = nil
	}
	return o.isOut
}

// reader reads the body from its beginning, while it is there.
func (o *outgoing) reader() io.ReadCloser { return &outgoingReader{outgoing: o} }

type outgoingReader struct {
	outgoing *outgoing
	at       int
}

var errLetGo = errors.New("the request has been sent already")

func (r *outgoingReader) Read(p []byte) (int, error) {
	o := r.outgoing
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case r.at == o.size:
		return 0, io.EOF
	case o.data == nil:
		return 0, errLetGo
	}
	n := copy(p, o.data[r.at:])
	r.at += n
	o.isOut = o.isOut || r.at == o.size
	return n, nil
}

// Close has nothing to close.
func (r *outgoingReader) Close() error { return nil }
