package rewrite_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"sealcar/rewrite"
)

// script is a body that gives its pieces one by one, then last, and counts.
type script struct {
	pieces []string
	last   error // nil = io.EOF
	reads  int
	closed int
}

func (s *script) Read(p []byte) (int, error) {
	s.reads++
	if len(s.pieces) == 0 {
		if s.last == nil {
			return 0, io.EOF
		}
		return 0, s.last
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; s.pieces[0] == "" {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func (s *script) Close() error {
	s.closed++
	return nil
}

// shout changes data that holds a lower-case letter, so some events change and
// some do not.
func shout(dst, data []byte) ([]byte, bool, error) {
	if !bytes.ContainsFunc(data, func(r rune) bool { return 'a' <= r && r <= 'z' }) {
		return append(dst, "not used"...), false, nil
	}
	return append(dst, bytes.ToUpper(data)...), true, nil
}

func events(body io.Reader, c rewrite.EventConfig) io.ReadCloser {
	return rewrite.Events(io.NopCloser(body), c)
}

// grammar is the table of T31: what a stream becomes under shout, and which data
// its events have.
func grammar() []struct {
	name, stream, want string
	data               []string
} {
	return []struct {
		name, stream, want string
		data               []string
	}{
		{"LF", "data: a\n\ndata: b\n\n", "data: A\n\ndata: B\n\n", []string{"a", "b"}},
		{"CR", "data: a\r\rdata: b\r\r", "data: A\r\rdata: B\r\r", []string{"a", "b"}},
		{"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", "data: A\r\n\r\ndata: B\r\n\r\n", []string{"a", "b"}},
		{"ends of line mixed", "data: a\r\n\ndata: b\n\rdata: c\r\r\n", "data: A\r\n\ndata: B\n\rdata: C\r\r\n", []string{"a", "b", "c"}},
		{"ends of line mixed in one event", ":\r\ndata: a\r:\ndata: b\n\n", ":\r\ndata: A\rdata: B\r:\n\n", []string{"a\nb"}},
		{"CR before a vanishing line with LF", "data: a\rdata: b\n\n", "data: A\rdata: B\r\n\n", []string{"a\nb"}},
		{"comment with CR before a vanishing line with LF", "data: a\n: c\rdata: b\n\n", "data: A\ndata: B\n: c\r\n\n", []string{"a\nb"}},
		{"unchanged bytes", "data:  1\ndata:2\n\n", "data:  1\ndata:2\n\n", []string{" 1\n2"}},
		{"byte order mark", "\ufeffdata: a\n\n", "\ufeffdata: A\n\n", []string{"a"}},
		{"byte order mark and blank line", "\ufeff\n\ufeffdata: a\n\n", "\ufeff\n\ufeffdata: a\n\n", nil},
		{"second byte order mark", "\ufeff\ufeffdata: a\n\n", "\ufeff\ufeffdata: a\n\n", nil},
		{"byte order mark alone", "\ufeff", "\ufeff", nil},
		{"no space after the colon", "data:a\n\n", "data: A\n\n", []string{"a"}},
		{"two spaces after the colon", "data:  a\n\n", "data:  A\n\n", []string{" a"}},
		{"tab after the colon", "data:\ta\n\n", "data: \tA\n\n", []string{"\ta"}},
		{"no colon", "data\n\n", "data\n\n", []string{""}},
		{"empty", "data:\n\n", "data:\n\n", []string{""}},
		{"no colon, between others", "data: a\ndata\ndata:b\n\n", "data: A\ndata: \ndata: B\n\n", []string{"a\n\nb"}},
		{"colons in the data", "data: a:b: c\n\n", "data: A:B: C\n\n", []string{"a:b: c"}},
		{"several lines", "data: a\ndata: b\n\n", "data: A\ndata: B\n\n", []string{"a\nb"}},
		{"several lines, twice", "data: a\ndata: b\n\ndata: c\ndata: d\n\n", "data: A\ndata: B\n\ndata: C\ndata: D\n\n", []string{"a\nb", "c\nd"}},
		{
			"other fields stay where they are", "id: 1\ndata: a\n: c\nevent: e\ndata: b\nretry: 10\nx\n\n",
			"id: 1\ndata: A\ndata: B\n: c\nevent: e\nretry: 10\nx\n\n",
			[]string{"a\nb"},
		},
		{"comments and fields alone", ": ping\n\nid: 7\n\nretry: 5\n\n", ": ping\n\nid: 7\n\nretry: 5\n\n", nil},
		{"blank lines", "\n\r\n\rdata: a\n\n\n", "\n\r\n\rdata: A\n\n\n", []string{"a"}},
		{"fields that are not data", "Data: a\n data: a\ndata : a\nxdata: a\ndatax: a\n\n", "Data: a\n data: a\ndata : a\nxdata: a\ndatax: a\n\n", nil},
		{"UTF-8", "data: aé😀\n\n", "data: AÉ😀\n\n", []string{"aé😀"}},
		{"whole comments at the end", "data: a\n\n: x\n:y\r\n", "data: A\n\n: x\n:y\r\n", []string{"a"}},
		{"nothing", "", "", nil},
	}
}

func TestT31_Grammar(t *testing.T) {
	t.Parallel()
	for _, test := range grammar() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for name, body := range map[string]func() io.Reader{
				"whole":       func() io.Reader { return strings.NewReader(test.stream) },
				"single byte": func() io.Reader { return iotest.OneByteReader(strings.NewReader(test.stream)) },
				"with EOF":    func() io.Reader { return iotest.DataErrReader(strings.NewReader(test.stream)) },
			} {
				var data []string
				record := func(dst, d []byte) ([]byte, bool, error) {
					data = append(data, string(d))
					return shout(dst, d)
				}
				got, err := io.ReadAll(events(body(), rewrite.EventConfig{Data: record}))
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if string(got) != test.want {
					t.Errorf("%s: got %q, want %q", name, got, test.want)
				}
				if !slices.Equal(data, test.data) {
					t.Errorf("%s: data %q, want %q", name, data, test.data)
				}
			}
		})
	}
}

func TestT31_AnySplitOfTheBodyGivesTheSame(t *testing.T) {
	t.Parallel()
	for _, test := range grammar() {
		want, err := io.ReadAll(events(strings.NewReader(test.stream), rewrite.EventConfig{Data: shout}))
		if err != nil {
			t.Fatal(err)
		}
		for i := range len(test.stream) + 1 {
			for j := i; j <= len(test.stream); j++ {
				body := &script{pieces: pieces(test.stream, i, j)}
				got, err := io.ReadAll(rewrite.Events(body, rewrite.EventConfig{Data: shout}))
				if err != nil || string(got) != string(want) {
					t.Errorf("%s, cut at %d and %d: got %q, %v; want %q", test.name, i, j, got, err, want)
				}
			}
		}
	}
}

// pieces cuts s at the given places, without empty pieces.
func pieces(s string, cuts ...int) []string {
	var all []string
	from := 0
	for _, cut := range append(cuts, len(s)) {
		if cut > from {
			all = append(all, s[from:cut])
			from = cut
		}
	}
	return all
}

func TestEvents_DeliversAnEventWithoutWaitingForMore(t *testing.T) {
	t.Parallel()
	body := &script{pieces: []string{
		"\ufeff", "data: a\n\n", ": ping\n\n", "data: b\r\n\r", "\ndata: c\r\r", "id: 1\n", "data: d\n", "\n",
	}}
	r := rewrite.Events(body, rewrite.EventConfig{Data: shout})
	p := make([]byte, 100)
	for i, step := range []struct {
		want  string
		reads int
	}{
		{"\ufeff", 1},
		{"data: A\n\n", 2},
		{": ping\n\n", 3},
		{"data: B\r\n\r", 4},
		{"\n", 5},
		{"data: C\r\r", 5},
		{"id: 1\ndata: D\n\n", 8},
	} {
		n, err := r.Read(p)
		if err != nil || string(p[:n]) != step.want || body.reads != step.reads {
			t.Fatalf("step %d: got %q, %v after %d reads of the body; want %q after %d", i, p[:n], err, body.reads, step.want, step.reads)
		}
	}
}

func TestEvents_EachReadGivesBytesOfOneEvent(t *testing.T) {
	t.Parallel()
	r := events(strings.NewReader("data: a\n\ndata: B\n\n\n: c\n\ndata: d\r\n\r\n: e\n"), rewrite.EventConfig{Data: shout})
	var got []string
	for {
		p := make([]byte, 8)
		n, err := r.Read(p)
		if err != nil {
			break
		}
		got = append(got, string(p[:n]))
	}
	want := []string{"data: A\n", "\n", "data: B\n", "\n", "\n", ": c\n\n", "data: D\r", "\n\r\n", ": e\n"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEvents_EmptyReadDoesNothing(t *testing.T) {
	t.Parallel()
	body := &script{pieces: []string{"data: a\n\n"}}
	n, err := rewrite.Events(body, rewrite.EventConfig{}).Read(nil)
	if n != 0 || err != nil || body.reads != 0 {
		t.Errorf("got %d, %v, and %d reads of the body", n, err, body.reads)
	}
}

func TestEvents_LinesBesideTheDataAreShown(t *testing.T) {
	t.Parallel()
	const stream = "\xef\xbb\xbf: first\n\nevent: e\r\nid:7\r\ndata: a\r\nretry: 1\r\ndata: b\r\n:  last\r\n\r\nno colon\rother: x: y\r\rdata: c\ndata\n\n: end\n"
	want := []string{":first", "event:e", "id:7", "retry:1", ": last", "no colon:", "other:x: y", ":end"}
	for name, c := range map[string]rewrite.EventConfig{
		"alone":        {},
		"with data":    {Data: shout},
		"with replace": {Replace: func(dst, data []byte) ([]byte, error) { return append(dst, data...), nil }},
	} {
		var seen []string
		c.Beside = func(field, value []byte) error {
			seen = append(seen, string(field)+":"+string(value))
			return nil
		}
		got, err := io.ReadAll(events(strings.NewReader(stream), c))
		if err != nil || !slices.Equal(seen, want) {
			t.Errorf("%s: saw %q (%v), want %q", name, seen, err, want)
		}
		if name == "alone" && string(got) != stream {
			t.Errorf("got %q", got)
		}
	}
}

func TestEvents_AnErrorBesideKeepsTheEventBack(t *testing.T) {
	t.Parallel()
	odd := errors.New("odd")
	for _, tail := range []string{": bad\n\n", "data: x\n: bad\n\n", ": bad\n"} {
		r := events(strings.NewReader("data: a\n: good\n\n"+tail), rewrite.EventConfig{Data: shout, Beside: func(_, value []byte) error {
			if string(value) == "bad" {
				return odd
			}
			return nil
		}})
		if got, err := io.ReadAll(r); !errors.Is(err, odd) || string(got) != "data: A\n: good\n\n" {
			t.Errorf("%q: got %q, %v", tail, got, err)
		}
	}
}

func TestEvents_ReplacementMayHaveSeveralLines(t *testing.T) {
	t.Parallel()
	for replacement, want := range map[string]string{
		"":       "id: 1\r\ndata: \r\n\r\n",
		"1\n2":   "id: 1\r\ndata: 1\r\ndata: 2\r\n\r\n",
		" 1\n\n": "id: 1\r\ndata:  1\r\ndata: \r\ndata: \r\n\r\n",
	} {
		data := func(dst, _ []byte) ([]byte, bool, error) { return append(dst, replacement...), true, nil }
		got, err := io.ReadAll(events(strings.NewReader("id: 1\r\ndata: a\r\n\r\n"), rewrite.EventConfig{Data: data}))
		if err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v; want %q", replacement, got, err, want)
		}
	}
}

func TestEvents_RefusesAReplacementWithACarriageReturn(t *testing.T) {
	t.Parallel()
	data := func(dst, _ []byte) ([]byte, bool, error) { return append(dst, "a\rdata: b"...), true, nil }
	got, err := io.ReadAll(events(strings.NewReader("data: a\n\n"), rewrite.EventConfig{Data: data}))
	if err == nil || len(got) > 0 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestEvents_BodyThatEndsInsideAnEventIsAFault(t *testing.T) {
	t.Parallel()
	for _, tail := range []string{
		"d", "data: secret", "data: secret\n", "data: secret\r", "data: secret\r\n", ": c", "event: error\n", "id: 1\ndata: secret\n: c\n",
		": c\nretry: 1\n", "\xef", "\xef\xbb",
	} {
		stream := "data: A\n\n" + tail
		if tail[0] == '\xef' {
			stream = tail
		}
		for name, body := range map[string]io.Reader{
			"whole": strings.NewReader(stream), "single byte": iotest.OneByteReader(strings.NewReader(stream)),
		} {
			got, err := io.ReadAll(events(body, rewrite.EventConfig{Data: shout}))
			if !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != strings.TrimSuffix(stream, tail) {
				t.Errorf("%q, %s: got %q, %v", tail, name, got, err)
			}
		}
	}
}

func TestEvents_FaultsEndTheStreamForGood(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, test := range []struct {
		name   string
		body   *script
		config rewrite.EventConfig
		want   error
	}{
		{"of the body", &script{pieces: []string{"data: a\n\ndata: b\n"}, last: broken}, rewrite.EventConfig{}, broken},
		{"of the body, that wraps io.EOF", &script{pieces: []string{"data: a\n\n"}, last: fmt.Errorf("%w: %w", broken, io.EOF)}, rewrite.EventConfig{}, broken},
		{"of Data", &script{pieces: []string{"data: a\n\ndata: b\n\ndata: a\n\n"}}, rewrite.EventConfig{
			Data: func(dst, data []byte) ([]byte, bool, error) {
				if string(data) == "b" {
					return append(dst, "partial"...), true, broken
				}
				return dst, false, nil
			},
		}, broken},
		{"of the end", &script{pieces: []string{"data: a\n\ndata: b"}}, rewrite.EventConfig{}, io.ErrUnexpectedEOF},
		{"of the limit", &script{pieces: []string{"data: a\n\ndata: bbbbb\n\ndata: a\n\n"}}, rewrite.EventConfig{Limit: 9}, rewrite.ErrEventTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var ends []error
			test.config.End = func(dst []byte, err error) ([]byte, error) {
				ends = append(ends, err)
				return dst, err
			}
			r := rewrite.Events(test.body, test.config)
			got, err := io.ReadAll(r)
			if string(got) != "data: a\n\n" || !errors.Is(err, test.want) {
				t.Errorf("got %q, %v; want the first event, then %v", got, err, test.want)
			}
			reads := test.body.reads
			for range 3 {
				n, again := r.Read(make([]byte, 10))
				if n != 0 || again != err { //nolint:errorlint // the same one
					t.Errorf("then %d, %v", n, again)
				}
			}
			if test.body.reads != reads {
				t.Error("the body was read after the fault")
			}
			if len(ends) != 1 || ends[0] != err { //nolint:errorlint // the same one
				t.Errorf("End got %v, the reader %v", ends, err)
			}
		})
	}
}

func TestEvents_EndHasTheLastWord(t *testing.T) {
	t.Parallel()
	other := errors.New("other")
	for _, test := range []struct {
		name, stream, want string
		end                func(dst []byte, err error) ([]byte, error)
		err                error // nil = clean end
	}{
		{
			"adds to a clean end", "data: a\n\n: c\n", "data: A\n\n: c\nmore\n\n",
			func(dst []byte, err error) ([]byte, error) { return append(dst, "more\n\n"...), err }, nil,
		},
		{
			"makes a fault of a clean end", "data: a\n\n", "data: A\n\ndata: error\n\n",
			func(dst []byte, _ error) ([]byte, error) { return append(dst, "data: error\n\n"...), other }, other,
		},
		{
			"adds to a fault", "data: a\n\ndata: b", "data: A\n\ndata: error\n\n",
			func(dst []byte, err error) ([]byte, error) { return append(dst, "data: error\n\n"...), err }, io.ErrUnexpectedEOF,
		},
		{
			"nil keeps a fault", "data: a\n\ndata: b", "data: A\n\n",
			func(dst []byte, _ error) ([]byte, error) { return dst, nil }, io.ErrUnexpectedEOF,
		},
		{
			"nil keeps a clean end", "data: a\n\n", "data: A\n\n",
			func(dst []byte, _ error) ([]byte, error) { return dst, nil }, nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := io.ReadAll(events(strings.NewReader(test.stream), rewrite.EventConfig{Data: shout, End: test.end}))
			if string(got) != test.want || !errors.Is(err, test.err) {
				t.Errorf("got %q, %v; want %q, %v", got, err, test.want, test.err)
			}
		})
	}
}

func TestEvents_EndIsToldOfACleanEndOnce(t *testing.T) {
	t.Parallel()
	var ends []error
	r := events(strings.NewReader("data: a\n\n"), rewrite.EventConfig{End: func(dst []byte, err error) ([]byte, error) {
		ends = append(ends, err)
		return dst, err
	}})
	for range 3 {
		if _, err := io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	if len(ends) != 1 || ends[0] != io.EOF { //nolint:errorlint // the contract is io.EOF itself
		t.Errorf("End got %v, want io.EOF once", ends)
	}
}

func TestT30_EventLimit(t *testing.T) {
	t.Parallel()
	line := func(size int) string { return "data: " + strings.Repeat("x", size-8) + "\n\n" }
	for _, test := range []struct {
		name  string
		limit int
		event string
		fails bool
	}{
		{"1.5 MiB line", 0, line(3 << 19), false},
		{"17 MiB line", 0, line(17 << 20), true},
		{"the default limit", 0, line(16 << 20), false},
		{"one byte over the default limit", 0, line(16<<20 + 1), true},
		{"many lines", 0, strings.Repeat("data: "+strings.Repeat("x", 1<<10)+"\r\n", 17<<10) + "\r\n", true},
		{"many comments", 0, strings.Repeat(": keep-alive\n", 2<<20) + "\n", true},
		{"a small limit", 20, line(20), false},
		{"over a small limit", 20, line(21), true},
		{"a limit above the first buffer", 5000, line(5000), false},
		{"over a limit above the first buffer", 5000, line(5001), true},
		{"the LF of the last CRLF is not counted", 10, "data: x\r\n\r\n", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := io.ReadAll(events(strings.NewReader(line(10)+test.event), rewrite.EventConfig{Limit: test.limit}))
			switch {
			case test.fails && (!errors.Is(err, rewrite.ErrEventTooLarge) || string(got) != line(10)):
				t.Errorf("got %d bytes, %v; want the first event, then ErrEventTooLarge", len(got), err)
			case !test.fails && (err != nil || string(got) != line(10)+test.event):
				t.Errorf("got %d bytes, %v; want all %d", len(got), err, 10+len(test.event))
			}
		})
	}
}

func TestT30_LimitDoesNotDependOnReads(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"\n\n", "\r\r", "\r\n\r\n"} {
		for limit := 8; limit < 16; limit++ {
			stream := "data: 12" + end + ": 3" + end
			want, wantErr := io.ReadAll(events(strings.NewReader(stream), rewrite.EventConfig{Limit: limit}))
			got, err := io.ReadAll(events(iotest.OneByteReader(strings.NewReader(stream)), rewrite.EventConfig{Limit: limit}))
			if string(got) != string(want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Errorf("limit %d: %q, %v in single bytes; %q, %v at once", limit, got, err, want, wantErr)
			}
		}
	}
}

func TestEvents_BodyThatGivesNothingIsAFault(t *testing.T) {
	t.Parallel()
	idle := readerFunc(func([]byte) (int, error) { return 0, nil })
	if _, err := io.ReadAll(events(idle, rewrite.EventConfig{})); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestEvents_CloseClosesTheBody(t *testing.T) {
	t.Parallel()
	body := &script{pieces: []string{"data: a\n\n"}}
	r := rewrite.Events(body, rewrite.EventConfig{})
	if err := r.Close(); err != nil || body.closed != 1 || body.reads != 0 {
		t.Errorf("Close: %v, closed %d times, %d reads", err, body.closed, body.reads)
	}
}

func TestEvents_ALongEventCostsLinearTime(t *testing.T) {
	t.Parallel()
	// Anything quadratic in 8 MiB of short lines, one byte a read, would outlast the test binary's deadline.
	stream := strings.Repeat("data\r", 8<<20/5) + "\r"
	n, err := io.Copy(io.Discard, events(iotest.OneByteReader(strings.NewReader(stream)), rewrite.EventConfig{Data: shout}))
	if err != nil || n != int64(len(stream)) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestRoomIsAskedBeforeALongEventIsBuffered(t *testing.T) {
	t.Parallel()
	full := errors.New("full")
	var asked []int
	var ended error
	body := rewrite.Events(io.NopCloser(strings.NewReader("data: short\n\ndata: "+strings.Repeat("x", 20<<10)+"\n\n")), rewrite.EventConfig{
		Room: func(n int) error {
			if asked = append(asked, n); n > 16<<10 {
				return full
			}
			return nil
		},
		End: func(_ []byte, err error) ([]byte, error) {
			ended = err
			return []byte("data: sorry\n\n"), err
		},
	})
	got, err := io.ReadAll(body)
	if string(got) != "data: short\n\ndata: sorry\n\n" || !errors.Is(err, full) || !errors.Is(ended, full) {
		t.Errorf("read %q, %v; ended with %v", got, err, ended)
	}
	if !slices.Equal(asked, []int{8 << 10, 16 << 10, 32 << 10}) {
		t.Errorf("asked for %v", asked)
	}
}

// asking notes how much each Read asks for, and gives a piece at a time.
type asking struct {
	io.Reader
	sizes []int
}

func (a *asking) Read(p []byte) (int, error) {
	a.sizes = append(a.sizes, len(p))
	return a.Reader.Read(p)
}

func TestAStreamOfShortEventsHoldsASmallBuffer(t *testing.T) {
	t.Parallel()
	body := &asking{Reader: strings.NewReader("data: short\n\n")}
	if _, err := io.Copy(io.Discard, rewrite.Events(io.NopCloser(body), rewrite.EventConfig{})); err != nil {
		t.Error(err)
	}
	if body.sizes[0] != 512 {
		t.Errorf("asked for %d bytes at a time, want 512", body.sizes)
	}
}
