package ark_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/apierror"
	"sealcar/crypto/ark"
	"sealcar/exchange"
)

// erring answers every request with an error.
func erring(status int, header http.Header, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

func TestT67_AnErrorDocumentOfTheAPIIsPassedOnAsItIs(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"OpenAI":             `{"error":{"message":"m","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`,
		"Ark":                ` { "error" : {"code":"InvalidParameter","message":"d\u00e9 Request id: 02", "param":"", "type":"BadRequest"} } ` + "\n",
		"Azure, more inside": `{"error":{"code":"content_filter","innererror":{"code":"x","content_filter_result":{"hate":{"filtered":true}}}},"request_id":"r"}`,
		"Anthropic":          `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}`,
		"a word":             `{"error":"model is loading"}`,
		"vLLM before 0.10":   `{"object":"error","message":"maximum context length is 4096","type":"BadRequestError","param":null,"code":400}`,
		"as large as can be": `{"error":"` + strings.Repeat("x", 64<<10-12) + `"}`,
	} {
		for _, status := range []int{400, 401, 404, 418, 429, 500, 503, 529} {
			t.Run(name+", "+strconv.Itoa(status), func(t *testing.T) {
				t.Parallel()
				e := newEndpoint(t)
				up := newRecorder(t, erring(status, http.Header{"Content-Type": {"text/html"}, "Retry-After": {"7"}, "X-Request-Id": {"id-1"}}, body))
				req, _ := post(t, up.URL, chatPath, secretChat)
				resp, err := (&ark.Transport{Base: up.Client().Transport, Certificates: e}).RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = resp.Body.Close() }()
				got, err := io.ReadAll(resp.Body)
				if err != nil || string(got) != body || resp.StatusCode != status || resp.ContentLength != int64(len(body)) {
					t.Errorf("got %d (%d bytes announced) %.200s, %v", resp.StatusCode, resp.ContentLength, got, err)
				}
				for header, want := range map[string]string{"Content-Type": "application/json; charset=utf-8", "Retry-After": "7", "X-Request-Id": "id-1"} {
					if got := resp.Header.Get(header); got != want {
						t.Errorf("%s is %q, want %q", header, got, want)
					}
				}
			})
		}
	}
}

// What an error says beside why it is one is reported, or taken out: a refusal
// would hide the error.
func TestT67_WhatAnErrorHoldsBesideItsReasonIsReportedOrTakenOut(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ body, places, left string }{
		"nothing": {
			`{"error":{"message":"all text","type":"t t","code":429,"param":"messages[0].content"},"request_id":"r-1","n":1,"x":null}`, "", "",
		},
		"vLLM before 0.10":     {`{"object":"error","message":"all text","type":"BadRequest error","param":null,"code":400}`, "", ""},
		"beside the message":   {`{"error":{"innererror":{"a":"b"},"message":"m","hint":"some text"}}`, "error.*", `{"error":{"message":"m"}}`},
		"beside the error":     {`{"error":{"message":"m"},"detail":["some text"], "stack":"a b"}`, "*", `{"error":{"message":"m"}}`},
		"beside a word":        {`{"detail":"some text","error":"model is loading"}`, "*", `{"error":"model is loading"}`},
		"both":                 {`{"a":"b c","error":{"x":"y z"},"d":{"e":1}}`, "*, error.*", `{"error":{}}`},
		"in place of the text": {`{"error":{"message":{"text":"a b"},"code":["a b"],"type":"t"}}`, "error.message, error.code", `{"error":{"type":"t"}}`},
		"as a name":            {`{"error":{"message":"m","some text":1}}`, "error.*", `{"error":{"message":"m"}}`},
	}
	for name, test := range tests {
		for _, refuse := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, refuse %t", name, refuse), func(t *testing.T) {
				t.Parallel()
				e := newEndpoint(t)
				up := newRecorder(t, erring(429, nil, test.body))
				req, _ := post(t, up.URL, chatPath, secretChat)
				resp, err := (&ark.Transport{Base: up.Client().Transport, Certificates: e, ClearReply: ark.ClearReply{Refuse: refuse}}).RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = resp.Body.Close() }()
				body, places := test.body, test.places
				if refuse {
					body, places = cmp.Or(test.left, test.body), ""
				}
				if got := read(t, resp.Body); got != body || resp.StatusCode != 429 || resp.Header.Get("Content-Length") != strconv.Itoa(len(body)) {
					t.Errorf("got %d %s, want %s", resp.StatusCode, got, body)
				}
				if got := resp.Header.Get(exchange.HeaderReplyPlaintext); got != places {
					t.Errorf("reported %q, want %q", got, places)
				}
			})
		}
	}
}

// Whatever an upstream sends is taken apart without a panic, and what is left of
// an error document is one.
func FuzzErrorDocument(f *testing.F) {
	for _, doc := range []string{
		`{"error":{"message":"m","type":"t","code":"c","param":null,"x":{"y":["z"]}},"request_id":"r","detail":"a b"}`,
		` { "a" : "b c" , "error" : "m" , "d" : [ ] , "e" : [ 1 ] } `, `{"object":"error","message":{"a":"b"},"code":[1]}`,
		`{"error":{"\"":"a b"},"\u0061":{"\\":"a"}}`, `["a b"]`, `{"error":["a b"]}`, `{"error":{},"choices":[{}]}`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		left, isDocument := ark.WithoutBeside(body)
		if !isDocument {
			return
		}
		again, isDocument := ark.WithoutBeside(left)
		if !isDocument || !bytes.Equal(again, left) {
			t.Errorf("%q became %q, and that %q", body, left, again)
		}
	})
}

func TestT67_NoOtherErrorBodyReachesTheApplication(t *testing.T) {
	t.Parallel()
	const canary = "canary40817"
	var gzipped bytes.Buffer
	z := gzip.NewWriter(&gzipped)
	_, _ = io.WriteString(z, `{"error":{"message":"`+canary+`"}}`)
	_ = z.Close()
	json := http.Header{"Content-Type": {"application/json"}}
	tests := map[string]struct {
		header http.Header
		body   string
	}{
		"HTML":                         {http.Header{"Content-Type": {"text/html"}}, "<html><body>" + canary + "</body></html>"},
		"HTML that calls itself JSON":  {json, "<html>" + canary},
		"plain text":                   {http.Header{"Content-Type": {"text/plain"}}, "stack trace: " + canary},
		"nothing":                      {json, ""},
		"no Content-Type":              {nil, canary},
		"an event stream":              {http.Header{"Content-Type": {"text/event-stream"}}, `data: {"error":{"message":"` + canary + `"}}` + "\n\n"},
		"a completion":                 {json, `{"choices":[{"message":{"content":"` + canary + `"},"finish_reason":"stop"}]}`},
		"FastAPI's detail":             {json, `{"detail":"` + canary + `"}`},
		"an error that is null":        {json, `{"error":null,"text":"` + canary + `"}`},
		"an error that is a number":    {json, `{"error":1,"text":"` + canary + `"}`},
		"an error that is empty":       {json, `{"error":"","text":"` + canary + `"}`},
		"an error with an answer":      {json, `{"error":{"message":"m"},"choices":[{"index":0,"message":{"content":"` + canary + `"},"finish_reason":"stop"}]}`},
		"an error with a message":      {json, `{"type":"error","error":{"message":"m"},"content":[{"type":"text","text":"` + canary + `"}]}`},
		"an error with a response":     {json, `{"error":{"message":"m"},"output":[{"type":"message","content":[{"type":"output_text","text":"` + canary + `"}]}]}`},
		"a list by an object":          {json, `{"object":"error","error":["` + canary + `"]}`},
		"an error that is a list":      {json, `{"error":["` + canary + `"]}`},
		"an error further down":        {json, `{"x":{"error":{"message":"` + canary + `"}}}`},
		"a list":                       {json, `[{"error":{"message":"` + canary + `"}}]`},
		"a string":                     {json, `"` + canary + `"`},
		"two documents":                {json, `{"error":{"message":"` + canary + `"}}{}`},
		"duplicate names":              {json, `{"error":{"message":"a"},"error":{"message":"` + canary + `"}}`},
		"names that differ in case":    {json, `{"error":{"message":"a"},"Error":{"message":"` + canary + `"}}`},
		"broken UTF-8":                 {json, `{"error":{"message":"` + canary + "\xff" + `"}}`},
		"cut short":                    {json, `{"error":{"message":"` + canary},
		"too large":                    {json, `{"error":"` + canary + strings.Repeat("x", 64<<10) + `"}`},
		"too large by its spaces":      {json, `{"error":"` + canary + `"}` + strings.Repeat(" ", 64<<10)},
		"compressed, though not asked": {http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, gzipped.String()},
	}
	for name, test := range tests {
		for _, status := range []int{400, 401, 404, 429, 500, 502} {
			t.Run(name+", "+strconv.Itoa(status), func(t *testing.T) {
				t.Parallel()
				e := newEndpoint(t)
				header := test.header.Clone()
				if header == nil {
					header = http.Header{}
				}
				header.Set("Retry-After", "7")
				header.Set("Set-Cookie", canary)
				up := newRecorder(t, erring(status, header, test.body))
				req, _ := post(t, up.URL, chatPath, secretChat)
				resp, err := (&ark.Transport{Base: up.Client().Transport, Certificates: e}).RoundTrip(req)
				if resp != nil {
					t.Errorf("the application got %d", resp.StatusCode)
				}
				wantCode(t, err, status, "upstream_error", "")
				fault, _ := errors.AsType[*apierror.Error](err)
				if fault.RetryAfter != 7*time.Second {
					t.Errorf("Retry-After is %v", fault.RetryAfter)
				}
				if strings.Contains(string(fault.Document())+err.Error(), canary) {
					t.Errorf("%s holds what the upstream sent", err)
				}
			})
		}
	}
}

func TestT67_StatusAndAdviceToWaitAreKeptWithinReason(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	tests := []struct {
		status     int
		header     http.Header
		wantStatus int
		least      time.Duration
		most       time.Duration
		noRetry    bool
	}{
		{503, nil, 503, 0, 0, false},
		{503, http.Header{"Retry-After": {"0"}}, 503, 0, 0, false},
		{503, http.Header{"Retry-After": {"soon"}}, 503, 0, 0, false},
		{503, http.Header{"Retry-After": {"-1"}}, 503, 0, 0, false},
		{503, http.Header{"Retry-After": {"99999999999999999999"}}, 503, 0, 0, false},
		{503, http.Header{"Retry-After": {soon}}, 503, 50 * time.Minute, time.Hour, false},
		{503, http.Header{"Retry-After": {"Fri, 31 Dec 9999 23:59:59 GMT"}}, 503, 24 * time.Hour, 24 * time.Hour, false},
		{503, http.Header{"Retry-After": {"Thu, 01 Jan 1970 00:00:00 GMT"}}, 503, 0, 0, false},
		{503, http.Header{"X-Should-Retry": {"false"}}, 503, 0, 0, true},
		{600, nil, 502, 0, 0, false},
		{999, nil, 502, 0, 0, false},
	}
	for _, test := range tests {
		e := newEndpoint(t)
		up := newRecorder(t, erring(test.status, test.header, "<html>"))
		req, _ := post(t, up.URL, chatPath, secretChat)
		_, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e}, req)
		wantCode(t, err, test.wantStatus, "upstream_error", "")
		fault, _ := errors.AsType[*apierror.Error](err)
		if fault.RetryAfter < test.least || fault.RetryAfter > test.most || fault.NoRetry != test.noRetry {
			t.Errorf("%d %v: wait %v, no retry %v", test.status, test.header, fault.RetryAfter, fault.NoRetry)
		}
	}
}

func TestT67_AKeyThatTheApplicationDoesNotHaveIsNotQuotedToIt(t *testing.T) {
	t.Parallel()
	const quoting = `{"error":{"message":"Incorrect API key provided: sk-old"}}`
	for name, test := range map[string]struct {
		own, want string
	}{
		"ours":    {"", strings.ReplaceAll(quoting, "sk-old", "[API key]")},
		"its own": {"sk-old", quoting},
	} {
		e := newEndpoint(t)
		up := newRecorder(t, erring(401, nil, quoting))
		req, _ := post(t, up.URL, chatPath, secretChat)
		if req.Header.Del("Authorization"); test.own != "" {
			req.Header.Set("Authorization", "Bearer "+test.own)
		}
		_, body, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e, Credentials: newKeys{"sk-old", "sk-old", nil, new(atomic.Int64)}}, req)
		if err != nil || body != test.want {
			t.Errorf("%s: got %q, %v", name, body, err)
		}
	}
}

// A middlebox's word may be all that tells of a key that was rotated.
func TestT19_AnErrorThatIsNotPassedOnIsASymptomAllTheSame(t *testing.T) {
	t.Parallel()
	old, today := newEndpoint(t), newEndpoint(t)
	certificates := &rotation{old: old.cert, today: today.cert}
	up := newRecorder(t, stale(today, answer{400, "text/plain", "cannot decrypt"}, today.sealing(t, "application/json", `{"choices":[{"message":{"content":"%s"},"finish_reason":"stop"}]}`, "fine")))
	req, record := post(t, up.URL, chatPath, secretChat)
	status, body, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: certificates}, req)
	if err != nil || status != 200 || !strings.Contains(body, "fine") || !record.Retried {
		t.Errorf("got %d %q, %v", status, body, err)
	}
}

func TestARefusalThatIsNotPassedOnRenewsOurKeyAllTheSame(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	good := e.sealing(t, "application/json", noAnswer)
	up := newRecorder(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer sk-new" {
			good.ServeHTTP(w, r)
			return
		}
		http.Error(w, "who are you?", http.StatusUnauthorized)
	}))
	req, record := post(t, up.URL, chatPath, secretChat)
	req.Header.Del("Authorization")
	status, _, err := roundTrip(&ark.Transport{Base: up.Client().Transport, Certificates: e, Credentials: newKeys{"sk-old", "sk-new", nil, new(atomic.Int64)}}, req)
	if err != nil || status != 200 || !record.Retried {
		t.Errorf("got %d, %v", status, err)
	}
}
