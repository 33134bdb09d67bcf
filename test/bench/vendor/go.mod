module sealcar/test/bench/vendor

go 1.26.0

require github.com/volcengine/volcengine-go-sdk v1.2.49

require github.com/klauspost/compress v1.13.5 // indirect
