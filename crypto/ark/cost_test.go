package ark_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"sealcar/apierror"
	"sealcar/crypto/ark"
)

// costLimit is how many bytes of memory may be taken for a byte of bad input,
// over the whole of its refusal.
const costLimit = 100

// hostile are requests that are made to be expensive, each some hundred KiB.
func hostile() map[string]string {
	const n = 100_000
	chat := func(content string) string {
		return `{"model":"m","messages":[{"role":"user","content":` + content + `}]}`
	}
	return map[string]string{
		"deep nesting":         chat(strings.Repeat("[", n)),
		"deep objects":         strings.Repeat(`{"a":`, n),
		"many unknown members": `{"model":"m",` + strings.Repeat(`"x":1,`, n) + `"messages":[]}`,
		"many messages":        `{"model":"m","messages":[` + strings.Repeat(`{},`, n) + `{"a":"text"}]}`,
		"many parts":           chat("[" + strings.Repeat(`{"type":"text","text":""},`, n/10) + `{"type":"video"}]`),
		"many escapes":         chat(`"` + strings.Repeat(`\u00e4`, n) + `\ud800"`),
		"a long name":          `{"` + strings.Repeat("x", n) + `":"text","model":"m","messages":[]}`,
		"a long number":        `{"model":"m","messages":[],"n":` + strings.Repeat("9", n) + `,"y":"text"}`,
		"no end":               chat(`"` + strings.Repeat("x", n))[:n],
		"a long query of text": "?",
	}
}

func TestT83_ARefusalCostsInProportionToItsRequest(t *testing.T) {
	skipIfCountsDiffer(t)
	e := newEndpoint(t)
	sent := 0
	transport := &ark.Transport{Certificates: e, Base: roundTripperFunc(func(*http.Request) (*http.Response, error) {
		sent++
		return nil, errors.New("sent")
	})}
	for name, body := range hostile() {
		req, _ := post(t, "https://upstream.example", chatPath, body)
		if body == "?" {
			req.URL.RawQuery = strings.Repeat("a=tell+nobody&", 10_000)
			body = req.URL.RawQuery
		}
		var err error
		cost := memoryOf(func() { _, _, err = roundTrip(transport, req) })
		if _, refused := errors.AsType[*apierror.Error](err); !refused || sent > 0 {
			t.Fatalf("%s: %d sent, %v", name, sent, err)
		}
		if limit := uint64(len(body)) * costLimit; cost > limit {
			t.Errorf("%s: %d bytes of memory for %d of input", name, cost, len(body))
		}
	}
}

func TestT83_GarbageOfAnUpstreamCostsInProportion(t *testing.T) {
	skipIfCountsDiffer(t)
	client, _ := newPair(t)
	block := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 24))
	for name, text := range map[string]string{
		"one long ciphertext": strings.Repeat(block, 4096),
		"many short ones":     strings.Repeat(base64.StdEncoding.EncodeToString(make([]byte, 17)), 4096),
		"no base64":           strings.Repeat("-", 128<<10),
	} {
		var err error
		cost := memoryOf(func() { _, err = client.OpenJoined(nil, []byte(text)) })
		if err == nil {
			t.Fatalf("%s was opened", name)
		}
		if limit := uint64(len(text)) * costLimit; cost > limit {
			t.Errorf("%s: %d bytes of memory for %d of input", name, cost, len(text))
		}
	}
}

// memoryOf is how many bytes of memory a function takes from the heap.
func memoryOf(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
