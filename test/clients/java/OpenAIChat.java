import com.fasterxml.jackson.databind.JsonNode;
import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.ObjectMappers;
import com.openai.errors.OpenAIServiceException;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import java.io.IOException;
import java.util.Iterator;

/** openai-java, which talks by OkHttp. */
public final class OpenAIChat {
    public static void main(String[] args) throws IOException {
        OpenAIClient client = OpenAIOkHttpClient.fromEnv();
        Cell.run((request, seen) -> {
            try {
                chat(client, request, seen);
            } catch (OpenAIServiceException e) {
                throw new Cell.Refused(e.statusCode(), e.getMessage());
            }
        });
    }

    private static void chat(OpenAIClient client, JsonNode request, Cell.Seen seen) throws IOException {
        var body = ObjectMappers.jsonMapper().treeToValue(request, ChatCompletionCreateParams.Body.class);
        var params = ChatCompletionCreateParams.builder().body(body).build();
        if (!request.path("stream").asBoolean()) {
            seen.whole(ObjectMappers.jsonMapper().valueToTree(client.chat().completions().create(params)));
            return;
        }
        try (var stream = client.chat().completions().createStreaming(params)) {
            for (Iterator<ChatCompletionChunk> chunks = stream.stream().iterator(); chunks.hasNext(); ) {
                if (seen.chunk(ObjectMappers.jsonMapper().valueToTree(chunks.next()))) return;
            }
        }
    }
}
