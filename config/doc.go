// Package config is the typed configuration: defaults, file, environment,
// validation and reload. It is the only place that knows viper.
//
// Start at Config (config.go), the whole of it as one struct; Load reads it,
// Default is what holds without a file. config.example.yaml shows every key.
//
// What is refused: unknown keys, wrong types, impossible combinations, secrets
// written inline. Every mistake is reported at once, one line each, with the
// key, the value and what is allowed.
package config
