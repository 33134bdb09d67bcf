// Package apikey gives the API keys that the sidecar puts into requests which
// carry none, so that applications need to hold no key at all.
//
// Start at File (file.go), a key kept in a file, and Cache (cache.go), which
// keeps the temporary keys that an Issuer (issuer.go) gets with GetApiKey from
// the vendor's control plane, one for each resource, and renews them before they
// expire.
//
// What is refused: a key that is not one word of printable ASCII, a control
// plane's answer without an expiry in the future, redirects. Keys and secrets
// stand in no error.
//
// Source: vendor documents GetApiKey and 签名方法, and the published SDKs (python
// 5.0.42: volcenginesdkarkruntime/_client.py), for the resource types and the
// times of renewal.
package apikey
