package webhook

import "fmt"

// What a pod may hold. In memory a JSON object costs a hundred times its text, and
// any other value twenty times. Pods that people write have a few hundred.
const (
	maxObjects = 20_000
	maxValues  = 100_000
)

// withinExtent refuses a JSON document of more values than a pod may hold, without
// reading it into memory. Whether it is JSON is the decoder's to say.
func withinExtent(text []byte) error {
	objects, values := 0, 1
	for i, inString := 0, false; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++ // what it escapes
		case c == '"':
			inString = !inString
		case inString:
		case c == '{':
			objects++
			values++
		case c == '[', c == ',':
			values++
		}
	}
	switch {
	case objects > maxObjects:
		return fmt.Errorf("it has more than %d objects", maxObjects)
	case values > maxValues:
		return fmt.Errorf("it has more than %d values", maxValues)
	}
	return nil
}
