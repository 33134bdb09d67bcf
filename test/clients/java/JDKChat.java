import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The JDK's own HTTP client. */
public final class JDKChat {
    public static void main(String[] args) throws IOException {
        HttpClient client = HttpClient.newHttpClient();
        Cell.run((request, seen) -> chat(client, request, seen));
    }

    private static void chat(HttpClient client, JsonNode request, Cell.Seen seen) throws IOException, InterruptedException {
        var post = HttpRequest.newBuilder(URI.create(System.getenv("APP_BASE_URL") + "/chat/completions"))
                .header("Authorization", "Bearer " + System.getenv("OPENAI_API_KEY"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(request.toString(), StandardCharsets.UTF_8))
                .build();
        HttpResponse<Stream<String>> reply = client.send(post, HttpResponse.BodyHandlers.ofLines());
        try (Stream<String> lines = reply.body()) {
            if (reply.statusCode() != 200) {
                throw new Cell.Refused(reply.statusCode(), lines.collect(Collectors.joining("\n")));
            }
            if (!request.path("stream").asBoolean()) {
                seen.whole(Cell.JSON.readTree(lines.collect(Collectors.joining("\n"))));
                return;
            }
            stream(lines.iterator(), seen);
        }
    }

    private static void stream(Iterator<String> lines, Cell.Seen seen) throws IOException {
        while (lines.hasNext()) {
            String line = lines.next();
            if (!line.startsWith("data:")) continue;
            String data = line.substring("data:".length()).strip();
            if (data.equals("[DONE]")) return;
            JsonNode event = Cell.JSON.readTree(data);
            if (event.has("error")) throw new Cell.Refused(200, event.get("error").path("message").asText());
            if (seen.chunk(event)) return;
        }
    }
}
