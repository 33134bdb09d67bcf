package cases_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"sealcar/test/wire"
)

// chat is a request that reached the upstream and was none for a certificate.
type chat struct{ head, body []byte }

// chatsIn reads one direction of a connection.
func chatsIn(received []byte) (chats []chat, err error) {
	src := bytes.NewReader(received)
	r := bufio.NewReader(src)
	for {
		start := len(received) - src.Len() - r.Buffered()
		req, err := http.ReadRequest(r)
		if errors.Is(err, io.EOF) {
			return chats, nil
		}
		if err != nil {
			return chats, err
		}
		head := received[start : len(received)-src.Len()-r.Buffered()]
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return chats, err
		}
		if !isCertificate(req.URL.Path) {
			chats = append(chats, chat{bytes.Clone(head), body})
		}
	}
}

// clearPlaces are the JSON paths of the values, and of the objects with names,
// that hold the canary in a form that can be read. Sorted.
func clearPlaces(body []byte, canary string) ([]string, error) {
	var document any
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, err
	}
	var places []string
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, value := range v {
				if len(wire.Leaks([]byte(name), canary)) > 0 {
					places = append(places, path+"{}")
				}
				walk(join(path, name), value)
			}
		case []any:
			for i, value := range v {
				walk(fmt.Sprintf("%s[%d]", path, i), value)
			}
		case string:
			if len(wire.Leaks([]byte(v), canary)) > 0 {
				places = append(places, path)
			}
		}
	}
	walk("", document)
	slices.Sort(places)
	return slices.Compact(places), nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
