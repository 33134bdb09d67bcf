package clients_test

import (
	"os/exec"
	"path/filepath"
	"testing"
)

const javaLock = "java/pom.xml"

// javaFamily looks at no environment variable but JAVA_TOOL_OPTIONS, whose
// options every JVM takes.
func javaFamily() family {
	return family{
		proxy: []string{"JAVA_TOOL_OPTIONS=-Dhttp.proxyHost={proxyHost} -Dhttp.proxyPort={proxyPort}"},
		proxyTLS: []string{"JAVA_TOOL_OPTIONS=-Dhttps.proxyHost={proxyHost} -Dhttps.proxyPort={proxyPort}" +
			" -Djavax.net.ssl.trustStore={truststore} -Djavax.net.ssl.trustStorePassword=changeit"},
		plain: "absolute",
	}
}

func javaClients() []client {
	f := javaFamily()
	jdk := f
	jdk.code = `HttpRequest.newBuilder(URI.create("{base}/chat/completions"))`
	return []client{
		{name: "openai-java (OkHttp)", lock: javaLock, locked: "openai-java", command: javaProgram("OpenAIChat"), ways: f.ways()},
		{name: "java.net.http.HttpClient", command: javaProgram("JDKChat"), ways: jdk.ways()},
	}
}

// javaProgram gives the command of a program for Java, compiled for the test.
func javaProgram(class string) func(t *testing.T) []string {
	return func(t *testing.T) []string {
		t.Helper()
		installed(t, "java")
		classes, jars := t.TempDir(), absolute(t, filepath.Join(install, "java", "*"))
		compile := exec.CommandContext(t.Context(), "javac", "-encoding", "UTF-8", "-cp", jars, "-d", classes,
			filepath.Join("java", "Cell.java"), filepath.Join("java", class+".java"))
		if out, err := compile.CombinedOutput(); err != nil {
			t.Fatalf("compiling %s: %v\n%s", class, err, out)
		}
		return []string{"java", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", classes + ":" + jars, class}
	}
}
