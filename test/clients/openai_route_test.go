package clients_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// What the page says of the route for applications that were written for OpenAI,
// beside what its matrix tries.
func TestTheRouteForOpenAIsApplicationsRefusesAndStripsAsThePageSays(t *testing.T) {
	t.Parallel()
	e := startEnclave(t)
	strict := openAITable().setup
	schema := strict
	schema.route = slices.Clone(strict.route)
	schema.route[slices.Index(schema.route, "strict: true")] = "residue: refuse"
	schema.route = append(schema.route, "residue_exceptions: [{path: response_format, residue: report}]")
	routes := map[string]*sidecar{"strict": startSidecarAs(t, e, strict), "schema": startSidecarAs(t, e, schema)}

	const (
		chat   = `"messages":[{"role":"user","content":"hi"}]`
		format = chat + `,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}`
	)
	for name, tc := range map[string]struct {
		route, members string
		status         int
	}{
		"accounting":               {"strict", chat + `,"user":"u","metadata":{"k":"v"},"prompt_cache_key":"k","safety_identifier":"s"`, 200},
		"words that end an answer": {"strict", chat + `,"stop":["secret word"]`, 400},
		"weights of words":         {"strict", chat + `,"logit_bias":{"1":5}`, 400},
		"a name":                   {"strict", `"messages":[{"role":"user","name":"Ann","content":"hi"}]`, 400},
		"a schema":                 {"strict", format, 400},
		"a schema that may leave":  {"schema", format, 200},
		"and nothing else":         {"schema", format + `,"stop":["secret word"]`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, answer := postTo(t, routes[tc.route].proxy+"/v1/chat/completions", `{"model":"gpt-4o",`+tc.members+`}`)
			if status != tc.status || status == http.StatusBadRequest && !strings.Contains(answer, `"unsealable_field"`) {
				t.Errorf("status %d, want %d: %s", status, tc.status, answer)
			}
		})
	}
}

func postTo(t *testing.T, url, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+foreignKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
