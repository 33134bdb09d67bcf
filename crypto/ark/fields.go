package ark

import "sealcar/rewrite"

// The shapes are the protocol's table of secret fields: messages[*].content, be
// it a string or a list of text and image parts, and the content of a reply's
// choices. The names on them are what the scans below switch on.
//
//nolint:gochecknoglobals // immutable tables
var (
	chatShape = &rewrite.Shape{Name: "body", Fields: map[string]*rewrite.Shape{
		"model":  {Name: "model"},
		"stream": {Name: "stream"},
		"messages": {Name: "messages", Items: &rewrite.Shape{Name: "message", Fields: map[string]*rewrite.Shape{
			"content": {Name: "content", Items: &rewrite.Shape{Name: "part", Fields: map[string]*rewrite.Shape{
				"type": {Name: "type"},
				"text": {Name: "text"},
				"image_url": {Name: "image_url", Fields: map[string]*rewrite.Shape{
					"url": {Name: "url"},
				}},
			}}},
		}}},
	}}
	certificateShape = &rewrite.Shape{Name: "body", Fields: map[string]*rewrite.Shape{
		"model": {Name: "model"},
		"type":  {Name: "type"},
	}, Other: &rewrite.Shape{Name: "other"}}
	replyShape = &rewrite.Shape{Name: "body", Fields: map[string]*rewrite.Shape{
		"error": {Name: "error"},
		"choices": {Name: "choices", Items: &rewrite.Shape{Name: "choice", Fields: map[string]*rewrite.Shape{
			"finish_reason": {Name: "finish_reason"},
			"message":       {Name: "message", Fields: map[string]*rewrite.Shape{"content": {Name: "content"}}},
			"delta":         {Name: "delta", Fields: map[string]*rewrite.Shape{"content": {Name: "content"}}},
		}}},
	}}
)
