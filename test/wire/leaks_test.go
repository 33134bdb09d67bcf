package wire_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"

	"sealcar/test/wire"
)

const canary = "Canary7QX2M4"

func TestEveryReadableFormIsFound(t *testing.T) {
	t.Parallel()
	var escaped, percent strings.Builder
	for _, c := range canary {
		fmt.Fprintf(&escaped, `\u%04X`, c)
		fmt.Fprintf(&percent, `%%%02x`, c)
	}
	tests := map[string]struct {
		text string
		want []string
	}{
		"plain":                          {`{"content":"say Canary7QX2M4"}`, []string{"plain"}},
		"in another case":                {"GET /cANARY7qx2m4", []string{"plain"}},
		"hex":                            {"x" + hex.EncodeToString([]byte(canary)), []string{"hex"}},
		"hex in capitals":                {strings.ToUpper(hex.EncodeToString([]byte(canary))), []string{"hex"}},
		"base64":                         {base64.StdEncoding.EncodeToString([]byte(canary + "?")), []string{"base64 at alignment 0"}},
		"base64 behind one byte":         {base64.StdEncoding.EncodeToString([]byte("\xff" + canary + "?")), []string{"base64 at alignment 1"}},
		"base64 behind two bytes":        {base64.StdEncoding.EncodeToString([]byte("\xff\xff" + canary)), []string{"base64 at alignment 2"}},
		"base64 in lines":                {"SU5\r\nDYW5hcnk3UV\r\ngyTTQ=", []string{"base64 at alignment 2"}},
		"JSON escapes":                   {escaped.String(), []string{"plain, in JSON escapes"}},
		"one JSON escape":                {`\u0043anary7QX2M4`, []string{"plain, in JSON escapes"}},
		"percent encoding":               {percent.String(), []string{"plain, percent-encoded"}},
		"query":                          {url.Values{"q": {"Canary7QX2M4"}}.Encode(), []string{"plain"}},
		"chunks":                         {"\r\n\r\n6\r\nCanary\r\n6;x=y\r\n7QX2M4\r\n0\r\n", []string{"plain, in chunks"}},
		"plain and base64":               {canary + " " + base64.StdEncoding.EncodeToString([]byte(canary)), []string{"plain", "base64 at alignment 0"}},
		"nothing":                        {"Canary7QX2M", nil},
		"nothing, a ciphertext's length": {strings.Repeat("Q2Fu", 100), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := wire.Leaks([]byte(test.text), canary); !slices.Equal(got, test.want) {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}

// Of base64 only what the canary decides is looked for, whatever stands around it.
func TestBase64IsFoundBetweenAnyNeighbours(t *testing.T) {
	t.Parallel()
	binary := "\xfb\xff\xfe~~~???" + canary[:3] // has + and /, which the URL alphabet writes as - and _
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		for before := range 4 {
			for after := range 4 {
				text := encoding.EncodeToString([]byte(strings.Repeat("\xaa", before) + binary + strings.Repeat("\x55", after)))
				if got := wire.Leaks([]byte(text), binary); len(got) != 1 {
					t.Errorf("%d bytes before and %d behind: found %q", before, after, got)
				}
			}
		}
	}
}

func TestRecorderKeepsBothDirectionsOfEachConnection(t *testing.T) {
	t.Parallel()
	var r wire.Recorder
	for _, word := range []string{"first", "second"} {
		near, far := net.Pipe()
		server := r.Tap(far)
		go func() {
			defer func() { _ = near.Close() }()
			_, _ = near.Write([]byte(word))
			_, _ = near.Read(make([]byte, 1))
		}()
		if _, err := server.Read(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Write([]byte("!")); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(r.Received()); got != "firstsecond" {
		t.Errorf("received %q", got)
	}
	if got := r.Take(); len(got) != 2 || string(got[1].Received) != "second" || string(got[1].Sent) != "!" {
		t.Errorf("took %q", got)
	}
	if got := r.Take(); got != nil {
		t.Errorf("took %q again", got)
	}
}

// failures is a test that is only told that it failed.
type failures struct {
	testing.TB

	messages []string
	cleanup  func()
}

func (f *failures) Helper()          {}
func (f *failures) Cleanup(c func()) { f.cleanup = c }
func (f *failures) Errorf(format string, args ...any) {
	f.messages = append(f.messages, fmt.Sprintf(format, args...))
}

func TestGuardFailsTheTestInWhichACanaryCrossed(t *testing.T) {
	t.Parallel()
	var r wire.Recorder
	f := &failures{TB: t}
	r.Guard(f, canary)
	near, far := net.Pipe()
	server := r.Tap(far)
	go func() {
		_, _ = near.Write([]byte("GET /?q=" + hex.EncodeToString([]byte(canary))))
		_, _ = near.Read(make([]byte, 100))
	}()
	_, _ = server.Read(make([]byte, 100))
	_, _ = server.Write([]byte(canary))
	f.cleanup()
	want := []string{"the canary Canary7QX2M4 reached the upstream: hex", "the canary Canary7QX2M4 came from the upstream: plain"}
	if !slices.Equal(f.messages, want) {
		t.Errorf("failed with %q, want %q", f.messages, want)
	}
}
