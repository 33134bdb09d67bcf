import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.List;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;

/**
 * A streamed chat by a plain HTTP client, which is the argument: JDK or OkHttp. Both offer HTTP/2, and send
 * Expect: 100-continue. In and out as for python/details.py.
 */
public final class Details {
    private static final String URL = System.getenv("APP_BASE_URL") + "/chat/completions";
    private static final String KEY = "Bearer " + System.getenv("OPENAI_API_KEY");

    public static void main(String[] args) throws Exception {
        String body = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        System.out.println(args[0].equals("JDK") ? byJDK(body) : byOkHttp(body));
        System.exit(0); // kept connections would hold it back
    }

    /** The JDK sends the body once it was told to continue, and not before. */
    private static ObjectNode byJDK(String body) throws IOException, InterruptedException {
        var post = HttpRequest.newBuilder(URI.create(URL))
                .header("Authorization", KEY).header("Content-Type", "application/json").header("X-Client-Request-Id", "request-1")
                .expectContinue(true)
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        var reply = HttpClient.newHttpClient().send(post, HttpResponse.BodyHandlers.ofString());
        String version = reply.version() == HttpClient.Version.HTTP_2 ? "2" : "1.1";
        return seen(version, reply.headers().allValues("set-cookie"), reply.headers().firstValue("x-client-request-id").orElse(""), reply.body()).putNull("trailer");
    }

    /** So does OkHttp. */
    private static ObjectNode byOkHttp(String body) throws IOException {
        var post = new Request.Builder().url(URL)
                .header("Authorization", KEY).header("X-Client-Request-Id", "request-1").header("Expect", "100-continue")
                .post(RequestBody.create(body, MediaType.get("application/json")))
                .build();
        try (Response reply = new OkHttpClient().newCall(post).execute()) {
            String text = reply.body().string();
            String version = reply.protocol().toString().replaceFirst("^http/", "").replaceFirst("^h2$", "2");
            String trailer = reply.trailers().get("X-Checksum");
            return seen(version, reply.headers("Set-Cookie"), reply.header("X-Client-Request-Id"), text).put("trailer", trailer == null ? "" : trailer);
        }
    }

    private static ObjectNode seen(String version, List<String> cookies, String requestID, String text) {
        ObjectNode seen = Cell.JSON.createObjectNode();
        seen.put("version", version).put("request_id", requestID).put("continued", true).put("done", text.stripTrailing().endsWith("[DONE]"));
        cookies.forEach(seen.putArray("cookies")::add);
        return seen;
    }
}
