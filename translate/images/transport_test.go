package images_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sealcar/netguard"
)

func TestALinkedImageIsPutIntoTheRequest(t *testing.T) {
	t.Parallel()
	shot := picture(t)
	for name, s := range map[string]*site{"http": newSite(t, serve("image/png", shot)), "https": newTLSSite(t, serve("image/png", shot))} {
		r := newRig(t)
		sent, record, err := r.send(chat(s.URL + "/a.png?b=c#d"))
		if want := chat(dataURL("image/png", shot)); err != nil || sent != want {
			t.Errorf("%s: sent %s (%v), want %s", name, sent, err, want)
		}
		if s.visits.Load() != 1 || record.Images != 1 || record.ImageFetch <= 0 {
			t.Errorf("%s: %d visits, %+v", name, s.visits.Load(), record)
		}
	}
}

func TestEveryLinkOfARequestIsFound(t *testing.T) {
	t.Parallel()
	shot := picture(t)
	s := newSite(t, serve("image/png", shot))
	r := newRig(t)
	const form = `{"messages":[{"content":"image_url"},{"content":[{"image_url":{"url":"%s"}},{"image_url":{"url":"%s"},"type":"image_url"}]},{"content":[{"image_url":{"url":"%s"}},{"image_url":{"url":"data:image/png;base64,AAAA"}},{"image_url":{"url":""}},{"image_url":null},{"image_url":"http://x"},{"video_url":{"url":"http://x"}},{"text":"\"image_url\": {\"url\": \"http://x\"}"}]}],"image_url":{"url":"http://x"}}`
	body := fmt.Sprintf(form, s.URL, strings.ReplaceAll(strings.Replace(s.URL, "http", `HT\u0054P`, 1), "/", `\/`), s.URL+"/3")
	url := dataURL("image/png", shot)
	sent, _, err := r.send(body)
	if want := fmt.Sprintf(form, url, url, url); err != nil || sent != want || s.visits.Load() != 3 {
		t.Errorf("%d visits, sent %s (%v), want %s", s.visits.Load(), sent, err, want)
	}
}

func TestWhatIsNoChatToSealPassesUnread(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	body := io.NopCloser(strings.NewReader(chat("http://127.0.0.1:1/")))
	var got io.ReadCloser
	r.Base = roundTripper(func(req *http.Request) (*http.Response, error) {
		got = req.Body
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://ark.example.com/other", body)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := r.RoundTrip(req); err != nil || got != body {
		t.Errorf("%v, %v: another body", resp, err)
	}
}

// Who seals is the one to refuse these, and to say where.
func TestABodyAtFaultPassesAsItIs(t *testing.T) {
	t.Parallel()
	s := newSite(t, serve("image/png", picture(t)))
	r := newRig(t)
	for _, body := range []string{
		"", "{", "null", `[]`, `"image_url"`,
		strings.Replace(chat(s.URL), `"model"`, `"messages":[],"model"`, 1),
		strings.Replace(chat(s.URL), `"image_url":{`, `"IMAGE_URL":{`, 1),
		chat(s.URL) + "{}", chat(s.URL + "\xff"), chat(`http://\ud800`),
		chat("http://" + strings.Repeat("a", 20<<10)),
	} {
		if sent, _, err := r.send(body); err != nil || sent != body {
			t.Errorf("%.100q: sent %.100q (%v)", body, sent, err)
		}
	}
	if n := s.visits.Load(); n != 0 {
		t.Errorf("%d images were fetched for requests at fault", n)
	}
}

func TestABodyOverTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.MaxRequestBytes = 10 })
	if sent, _, err := r.send(chat("http://127.0.0.1:1/")); err == nil || !strings.Contains(err.Error(), "request_too_large") || sent != "" {
		t.Errorf("%q, %v", sent, err)
	}
}

func TestImagesAreFetchedAFewAtATime(t *testing.T) {
	t.Parallel()
	const parallel = 4
	var now, most atomic.Int32
	all := make(chan struct{})
	shot := picture(t)
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == parallel {
			close(all) // the first four are there; only once, for later ones find the others gone or going
		}
		<-all
		serve("image/png", shot)(w, r)
	})
	parts := strings.Repeat(`{"image_url":{"url":"`+s.URL+`"}},`, parallel)
	r := newRig(t)
	if _, _, err := r.send(`{"messages":[{"content":[` + strings.TrimSuffix(parts, ",") + `]}]}`); err != nil {
		t.Fatal(err)
	}
	if most.Load() != parallel {
		t.Errorf("%d at a time, want %d", most.Load(), parallel)
	}
}

func TestNoMoreThanAFewAtATime(t *testing.T) {
	t.Parallel()
	const parallel = 4
	var now, most atomic.Int32
	shot := picture(t)
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(time.Millisecond) // lets others come, if they would
		serve("image/png", shot)(w, r)
	})
	parts := strings.Repeat(`{"image_url":{"url":"`+s.URL+`"}},`, 16)
	if _, _, err := newRig(t).send(`{"messages":[{"content":[` + strings.TrimSuffix(parts, ",") + `]}]}`); err != nil {
		t.Fatal(err)
	}
	if most.Load() > parallel || s.visits.Load() != 16 {
		t.Errorf("%d of %d at a time, want at most %d of 16", most.Load(), s.visits.Load(), parallel)
	}
}

func TestTooManyImages(t *testing.T) {
	t.Parallel()
	s := newSite(t, serve("image/png", picture(t)))
	r := newRig(t, func(r *rig) { r.MaxImages = 1 })
	twice := strings.Replace(chat(s.URL), `{"type":"image_url"`, `{"image_url":{"url":"`+s.URL+`"}},{"type":"image_url"`, 1)
	sent, _, err := r.send(twice)
	if err == nil || !strings.Contains(err.Error(), "image_too_many") || sent != "" || s.visits.Load() != 0 {
		t.Errorf("%v, sent %q after %d visits", err, sent, s.visits.Load())
	}
	if _, _, err := r.send(chat(s.URL)); err != nil {
		t.Error(err)
	}
}

func TestTheTypeIsWhatItSaysAndWhatItIs(t *testing.T) {
	t.Parallel()
	all := pictures(t)
	for mediaType, data := range all {
		s := newSite(t, serve(mediaType+"; charset=binary", data))
		if sent, _, err := newRig(t).send(chat(s.URL)); err != nil || sent != chat(dataURL(mediaType, data)) {
			t.Errorf("%s: %s, %v", mediaType, sent, err)
		}
	}
	if s := newSite(t, serve("IMAGE/JPG", all["image/jpeg"])); true {
		if sent, _, err := newRig(t).send(chat(s.URL)); err != nil || sent != chat(dataURL("image/jpeg", all["image/jpeg"])) {
			t.Errorf("a usual misnomer: %s, %v", sent, err)
		}
	}
	for name, h := range map[string]http.HandlerFunc{
		"a page":               serve("text/html", []byte("<html>secret</html>")),
		"a page as an image":   serve("image/png", []byte("<html>secret</html>")),
		"JSON as an image":     serve("image/png", []byte(`{"AccessKeyId":"secret"}`)),
		"an image as a page":   serve("text/html", all["image/png"]),
		"one as another":       serve("image/png", all["image/jpeg"]),
		"what may be a script": serve("image/svg+xml", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>`)),
		"without a type":       serve("", all["image/png"]),
		"of any type":          serve("application/octet-stream", all["image/png"]),
		"empty":                serve("image/png", nil),
	} {
		t.Run(name, func(t *testing.T) { newRig(t).refuses(newSite(t, h).URL, http.StatusBadRequest, "image_unsupported") })
	}
}

func TestImagesThatAreTooLarge(t *testing.T) {
	t.Parallel()
	large := append(picture(t), make([]byte, 1<<20)...)
	for name, h := range map[string]http.HandlerFunc{
		"and say so": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(large)))
			serve("image/png", large)(w, r)
		},
		"and do not say so": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(large)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, h)
			newRig(t, func(r *rig) { r.MaxBytes = 1 << 20 }).refuses(s.URL, http.StatusBadRequest, "image_too_large")
			if _, _, err := newRig(t, func(r *rig) { r.MaxBytes = 2 << 20 }).send(chat(s.URL)); err != nil {
				t.Error(err)
			}
			e := newRig(t, func(r *rig) { r.MaxRequestBytes = 1 << 20 }).refuses(s.URL, http.StatusBadRequest, "image_too_large")
			if !strings.Contains(e.Message, "limits.request_bytes") {
				t.Error(e.Message)
			}
		})
	}
}

// What is plain from the headers is not waited for.
func TestAnswersThatAreRefusedByTheirHeaders(t *testing.T) {
	t.Parallel()
	for code, headers := range map[string]http.Header{
		"image_too_large":   {"Content-Type": {"image/png"}, "Content-Length": {"1000000000"}},
		"image_unsupported": {"Content-Type": {"text/html"}},
		"image_unreachable": {"Content-Type": {"image/png"}, "Status": {"404"}},
	} {
		s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
			maps.Copy(w.Header(), headers)
			if headers.Get("Status") != "" {
				w.WriteHeader(http.StatusNotFound)
			}
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done() // the body never comes
		})
		status := http.StatusBadRequest
		if code == "image_unreachable" {
			status = http.StatusBadGateway
		}
		newRig(t).refuses(s.URL, status, code)
	}
}

func TestImagesThatDoNotCome(t *testing.T) {
	t.Parallel()
	gone := newSite(t, nil)
	gone.Close()
	newRig(t).refuses(gone.URL, http.StatusBadGateway, "image_unreachable")
	newRig(t).refuses("http://name.invalid/x", http.StatusBadGateway, "image_unreachable")
	for status, retry := range map[int]bool{404: false, 403: false, 204: false, 206: false, 304: false, 429: true, 500: true, 503: true} {
		s := newSite(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		e := newRig(t).refuses(s.URL, http.StatusBadGateway, "image_unreachable")
		if e.NoRetry == retry || !strings.Contains(e.Message, fmt.Sprint(status)) {
			t.Errorf("%d: %+v", status, e)
		}
	}
	broken := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		serve("image/png", picture(t))(w, r)
	})
	newRig(t).refuses(broken.URL, http.StatusBadGateway, "image_unreachable")
	untrusted := newRig(t, func(r *rig) { r.Out = &http.Transport{DisableKeepAlives: true} })
	untrusted.refuses(newTLSSite(t, nil).URL, http.StatusBadGateway, "image_unreachable")
}

func TestT50_ImagesThatComeTooSlowly(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"no end": func(w http.ResponseWriter, r *http.Request) {
			serve("image/png", picture(t))(w, r)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			newRig(t, func(r *rig) { r.Timeout = 50 * time.Millisecond }).refuses(newSite(t, h).URL, http.StatusGatewayTimeout, "image_timeout")
		})
	}
}

// What an image's server says before its answer is for nobody: the application asked
// another.
func TestT35_InterimResponsesOfImagesStayHere(t *testing.T) {
	t.Parallel()
	shot := picture(t)
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "<https://evil.example.com/>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		if r.URL.Path != "/2" {
			http.Redirect(w, r, "/2", http.StatusFound)
			return
		}
		serve("image/png", shot)(w, r)
	})
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(status int, header textproto.MIMEHeader) error {
		t.Errorf("the application is told of a %d with %v", status, header)
		return nil
	}})
	if sent, _, err := newRig(t).sendIn(ctx, chat(s.URL)); err != nil || sent != chat(dataURL("image/png", shot)) || s.visits.Load() != 2 {
		t.Errorf("sent %s (%v) after %d visits", sent, err, s.visits.Load())
	}
}

func TestFetchesEndWithTheirRequest(t *testing.T) {
	t.Parallel()
	came, left := make(chan struct{}), make(chan struct{})
	s := newSite(t, func(_ http.ResponseWriter, r *http.Request) {
		close(came)
		<-r.Context().Done()
		close(left)
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("the application is gone")
	go func() {
		<-came
		cancel(gone)
	}()
	if sent, _, err := newRig(t).sendIn(ctx, chat(s.URL)); !errors.Is(err, gone) || sent != "" {
		t.Errorf("got %q, %v", sent, err)
	}
	select {
	case <-left:
	case <-time.After(patience):
		t.Error("the fetch goes on")
	}
}

func TestT43_ImagesFromInside(t *testing.T) {
	t.Parallel()
	s := newSite(t, serve("image/png", picture(t)))
	r := newRig(t, func(r *rig) { r.Out = guarded(t, netguard.Public) })
	port := s.URL[strings.LastIndexByte(s.URL, ':'):]
	for _, host := range []string{"127.0.0.1", "localhost", "LOCALHOST", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "169.254.169.254", "[fd00::1]", "[64:ff9b::a00:1]", "100.64.0.1"} {
		r.refuses("http://"+host+port+"/", http.StatusBadRequest, "image_refused")
	}
	r.refuses("http://[fe80::1%25eth0]/", http.StatusBadRequest, "image_refused")
	r.refuses("http://%zz/", http.StatusBadRequest, "image_refused")
	if n := s.visits.Load(); n != 0 {
		t.Errorf("%d connections arrived", n)
	}
	r.Out = guarded(t, netguard.Private)
	r.refuses("http://169.254.169.254/latest/meta-data", http.StatusBadRequest, "image_refused")
}

func TestT47_RedirectsOfImages(t *testing.T) {
	t.Parallel()
	shot := picture(t)
	var referers atomic.Int32
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Referer") != "" {
			referers.Add(1)
		}
		switch left := strings.TrimPrefix(r.URL.Path, "/"); {
		case strings.HasPrefix(r.URL.RawQuery, "to="):
			http.Redirect(w, r, strings.TrimPrefix(r.URL.RawQuery, "to="), http.StatusFound)
		case left == "0":
			serve("image/png", shot)(w, r)
		default:
			http.Redirect(w, r, "/"+string(left[0]-1), http.StatusFound)
		}
	}
	plain, secure := newSite(t, handler), newTLSSite(t, handler)
	for _, s := range []*site{plain, secure} {
		if sent, _, err := newRig(t).send(chat(s.URL + "/3")); err != nil || sent != chat(dataURL("image/png", shot)) {
			t.Errorf("three redirects: %s, %v", sent, err)
		}
		before := s.visits.Load()
		newRig(t).refuses(s.URL+"/9", http.StatusBadGateway, "image_unreachable")
		if n := s.visits.Load() - before; n != 4 {
			t.Errorf("%d requests, want the first and three more", n)
		}
	}
	if _, _, err := newRig(t).send(chat(plain.URL + "/?to=" + secure.URL + "/0")); err != nil {
		t.Errorf("from http to https: %v", err)
	}
	before := plain.visits.Load()
	newRig(t).refuses(secure.URL+"/?to="+plain.URL+"/0", http.StatusBadRequest, "image_refused")
	if plain.visits.Load() != before {
		t.Error("a redirect from https to http was followed")
	}
	newRig(t).refuses(plain.URL+"/?to=http://169.254.169.254/", http.StatusBadRequest, "image_refused")
	if referers.Load() != 0 {
		t.Error("a server is told the address before")
	}
}

func TestT26_AChatThatIsRefusedFetchesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, serve("image/png", picture(t)))
	refused := errors.New("it cannot be sealed")
	judged := ""
	r := newRig(t, func(r *rig) {
		r.Judge = func(_ *http.Request, body []byte) error {
			judged = string(body)
			return refused
		}
	})
	if sent, record, err := r.send(chat(s.URL)); !errors.Is(err, refused) || sent != "" || judged != chat(s.URL) || record.Endpoint != "/chat" {
		t.Errorf("sent %q (%v), judged %q, %+v", sent, err, judged, record)
	}
	if n := s.visits.Load(); n != 0 {
		t.Errorf("%d images were fetched for a chat that was refused", n)
	}
	if sent, _, err := r.send(chat("data:image/png;base64,AAAA")); err != nil || sent == "" {
		t.Errorf("a chat without links was judged here: %v", err)
	}
}
