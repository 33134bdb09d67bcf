package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// nginxConfig is nginx as a sidecar would be: it listens in clear and speaks TLS
// with kept-alive connections to the upstream, passes streams unbuffered, and logs
// a line a request, as sealcar does.
const nginxConfig = `
daemon off;
worker_processes auto;
worker_rlimit_nofile 20000;
pid nginx.pid;
error_log error.log;
events { worker_connections 8192; }
http {
  access_log access.log;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_requests 100000000;
  client_max_body_size 64m;
  client_body_buffer_size 32m;
  upstream api {
    server UPSTREAM;
    keepalive 2048;
    keepalive_requests 100000000;
  }
  server {
    listen LISTEN;
    location / {
      proxy_pass https://api;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_ssl_verify on;
      proxy_ssl_name localhost;
      proxy_ssl_trusted_certificate ROOTS;
      proxy_ssl_session_reuse on;
    }
  }
}
`

// nginxPath is where nginx is; "" if it is nowhere.
func nginxPath() string {
	for _, path := range []string{"nginx", "/usr/sbin/nginx"} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	return ""
}

func startNginx(dir, binary, listen, to, keys string) (*process, error) {
	dir = filepath.Join(dir, "nginx")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("starting nginx: %w", err)
	}
	config := filepath.Join(dir, "nginx.conf")
	text := strings.NewReplacer("LISTEN", listen, "UPSTREAM", to, "ROOTS", filepath.Join(keys, "tls-ca.pem")).Replace(nginxConfig)
	if os.Getuid() == 0 { // the workers would become a user that may not write here
		text = "user root;\n" + text
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("starting nginx: %w", err)
	}
	return start(dir, "nginx", binary, "-p", dir, "-c", config, "-e", filepath.Join(dir, "error.log"))
}
