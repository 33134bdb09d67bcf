package soak_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"sealcar/test/bench/soak"
)

const marker = "MARKER7QX2M4ZZTOP"

// tapped gives both ends of a connection: what near reads was received, what it
// writes is sent.
func tapped(t *testing.T, w *soak.Watch) (near, far net.Conn) {
	t.Helper()
	raw, far := net.Pipe()
	near = w.Tap(raw)
	t.Cleanup(func() {
		_ = near.Close()
		_ = far.Close()
	})
	return near, far
}

// cross lets text go from one to the other in pieces.
func cross(t *testing.T, from io.Writer, to io.Reader, text []byte, piece int) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.Discard, to, int64(len(text)))
		done <- err
	}()
	for len(text) > 0 {
		n := min(piece, len(text))
		if _, err := from.Write(text[:n]); err != nil {
			t.Error(err)
		}
		text = text[n:]
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTheMarkerIsSeenWhereverItCrosses(t *testing.T) {
	t.Parallel()
	noise := func(n int) string { return strings.Repeat("noise ", n/6) }
	tests := map[string]struct{ text, want string }{
		"alone":             {marker, "plain"},
		"behind much else":  {noise(200<<10) + marker, "plain"},
		"before much else":  {marker + noise(200<<10), "plain"},
		"across two looks":  {strings.Repeat(".", 64<<10-len(marker)/2) + marker + noise(80<<10), "plain"},
		"in base64":         {base64.StdEncoding.EncodeToString([]byte("content " + marker + " and more")), "base64"},
		"not there":         {noise(200 << 10), ""},
		"but for a letter":  {strings.Replace(marker, "7", "8", 1), ""},
		"broken by a space": {marker[:8] + " " + marker[8:], ""},
	}
	for name, tt := range tests {
		for _, piece := range []int{1 << 10, 1 << 20} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := &soak.Watch{Marker: marker}
				near, far := tapped(t, w)
				cross(t, far, near, []byte(tt.text), piece)
				n, found := w.Take()
				if n != int64(len(tt.text)) || len(found) > 0 != (tt.want != "") || !strings.Contains(strings.Join(found, ", "), tt.want) {
					t.Errorf("%d bytes of %d, %q, want %q", n, len(tt.text), found, tt.want)
				}
				cross(t, near, far, []byte(tt.text), piece)
				if _, found := w.Take(); len(found) > 0 != (tt.want != "") {
					t.Errorf("what was sent: %q, want %q", found, tt.want)
				}
			})
		}
	}
}

func TestALookBeginsAnew(t *testing.T) {
	t.Parallel()
	w := &soak.Watch{Marker: marker}
	near, far := tapped(t, w)
	cross(t, far, near, []byte(marker), 1<<10)
	if _, found := w.Take(); len(found) != 1 || !strings.HasPrefix(found[0], "received by the upstream") {
		t.Errorf("found %q", found)
	}
	cross(t, far, near, bytes.Repeat([]byte("."), 10), 1<<10)
	if n, found := w.Take(); n != 10 || len(found) > 0 {
		t.Errorf("%d bytes, %q", n, found)
	}
}

// A connection that has ended takes nothing with it.
func TestTheMarkerIsSeenAfterTheEnd(t *testing.T) {
	t.Parallel()
	w := &soak.Watch{Marker: marker}
	near, far := tapped(t, w)
	cross(t, far, near, []byte(marker), 1<<10)
	if err := near.Close(); err != nil {
		t.Error(err)
	}
	if _, found := w.Take(); len(found) != 1 {
		t.Errorf("found %q", found)
	}
}

func TestTheMarkerIsSeenInALog(t *testing.T) {
	t.Parallel()
	w := &soak.Watch{Marker: marker}
	for text, want := range map[string]int{"line\n": 0, strings.Repeat("line\n", 100<<10) + marker: 1} {
		if err := w.Read("a log", strings.NewReader(text)); err != nil {
			t.Error(err)
		}
		if _, found := w.Take(); len(found) != want || want > 0 && found[0] != "a log: plain" {
			t.Errorf("%q in a log of %d bytes", found, len(text))
		}
	}
	if err := w.Read("a log", iotest.ErrReader(io.ErrUnexpectedEOF)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a log that cannot be read: %v", err)
	}
}
