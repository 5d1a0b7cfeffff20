"""SAM's prompt encoder and mask decoder as one network over many prompts on one image."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn


class MaskDecoder(nn.Module):
    """Points to three masks each, as segment-anything's `predict_torch` decodes them.

    It computes `predict_torch(point_coords, point_labels, boxes=None, mask_input=None,
    multimask_output=True)` from the submodules of a `transformers.SamModel`. Written anew, because
    transformers copies the image's embedding for every prompt before the first layer: here, what
    is equal for all prompts keeps a batch axis of 1 and is computed once.

    Axes below: P prompts, N points each, T = 5 output tokens + N + 1, C channels, G the
    embedding's side.
    """

    image_positions: Tensor

    def __init__(self, sam: Any) -> None:
        super().__init__()
        self.prompt_encoder = sam.prompt_encoder
        self.decoder = sam.mask_decoder
        self.image_size: int = sam.prompt_encoder.input_image_size
        self.embed_size: int = sam.prompt_encoder.image_embedding_size[0]
        positions = sam.get_image_wide_positional_embeddings().detach()
        self.register_buffer("image_positions", _to_tokens(positions), persistent=False)

    def forward(
        self, image_embeddings: Tensor, point_coords: Tensor, point_labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Decode every prompt on the same image.

        Args:
            image_embeddings: float32 [1, C, G, G].
            point_coords: float32 [P, N, 2], x and y in pixels of the encoder's input.
            point_labels: int64 [P, N], 1 on the object, 0 off it, -1 no point.

        Returns:
            Mask logits, float32 [P, 3, 4G, 4G], and predicted IoUs, float32 [P, 3].
        """
        prompts = self._embed_points(point_coords, point_labels)
        output_tokens = torch.cat([self.decoder.iou_token.weight, self.decoder.mask_tokens.weight])
        tokens = torch.cat(
            [output_tokens.expand(prompts.shape[0], -1, -1), prompts], dim=1
        )  # [P, T, C]
        no_mask = self.prompt_encoder.no_mask_embed.weight[:, :, None, None]
        image = _to_tokens(image_embeddings + no_mask)  # [1, G * G, C]
        tokens, image = self._two_way_transformer(tokens, image)
        return self._masks(tokens, image), self._ious(tokens)

    def _embed_points(self, coords: Tensor, labels: Tensor) -> Tensor:
        """Prompt tokens, [P, N + 1, C]; without a box the last one is a padding point."""
        pixel_centres = coords + 0.5
        encoding = self.prompt_encoder.shared_embedding(pixel_centres / self.image_size)
        padding = torch.zeros_like(encoding[:, :1])
        encoding = torch.cat([encoding, padding], dim=1)
        no_point = torch.full_like(labels[:, :1], -1)
        labels = torch.cat([labels, no_point], dim=1)[..., None]
        background, foreground = (embed.weight for embed in self.prompt_encoder.point_embed[:2])
        embedding = torch.where(
            labels == -1, self.prompt_encoder.not_a_point_embed.weight, encoding
        )
        embedding = torch.where(labels == 0, embedding + background, embedding)
        return torch.where(labels == 1, embedding + foreground, embedding)

    def _two_way_transformer(self, tokens: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and image after attending to each other, [P, T, C] and [P, G * G, C]."""
        transformer = self.decoder.transformer
        token_positions = tokens
        for layer in transformer.layers:
            if layer.skip_first_layer_pe:
                tokens = _attend(layer.self_attn, tokens, tokens, tokens)
            else:
                query = tokens + token_positions
                tokens = tokens + _attend(layer.self_attn, query, query, tokens)
            tokens = layer.layer_norm1(tokens)
            query, key = tokens + token_positions, image + self.image_positions
            tokens = tokens + _attend(layer.cross_attn_token_to_image, query, key, image)
            tokens = layer.layer_norm2(tokens)
            tokens = layer.layer_norm3(tokens + layer.mlp(tokens))
            query = tokens + token_positions
            image = image + _attend(layer.cross_attn_image_to_token, key, query, tokens)
            image = layer.layer_norm4(image)
        query, key = tokens + token_positions, image + self.image_positions
        tokens = tokens + _attend(transformer.final_attn_token_to_image, query, key, image)
        return transformer.layer_norm_final_attn(tokens), image

    def _masks(self, tokens: Tensor, image: Tensor) -> Tensor:
        """Logits of the three masks, [P, 3, 4G, 4G]."""
        decoder = self.decoder
        # Reshapes name every length but P: the exporter may take a length read off a tensor for
        # a constant where it cannot follow how P came in.
        side = self.embed_size
        features = image.transpose(1, 2).reshape(-1, decoder.hidden_size, side, side)
        features = decoder.activation(decoder.upscale_layer_norm(decoder.upscale_conv1(features)))
        features = decoder.activation(decoder.upscale_conv2(features))
        # Token 0 predicts IoUs and token 1 the mask for an unambiguous prompt, which is not used.
        weights = torch.stack(
            [
                decoder.output_hypernetworks_mlps[i](tokens[:, 1 + i])
                for i in range(1, decoder.num_mask_tokens)
            ],
            dim=1,
        )
        masks: Tensor = weights @ features.flatten(2)
        return masks.reshape(-1, decoder.num_multimask_outputs, 4 * side, 4 * side)

    def _ious(self, tokens: Tensor) -> Tensor:
        """Predicted IoUs of the three masks, [P, 3]."""
        ious: Tensor = self.decoder.iou_prediction_head(tokens[:, 0])
        return ious[:, 1:]


def _to_tokens(image: Tensor) -> Tensor:
    """[B, C, H, W] as [B, H * W, C]."""
    return image.flatten(2).transpose(1, 2)


def _attend(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Multi-head attention of a `SamAttention`; a batch axis of 1 is shared by the other's."""
    heads: int = attention.num_attention_heads
    q, k, v = (
        projection(tensor).unflatten(2, (heads, -1)).transpose(1, 2)
        for projection, tensor in (
            (attention.q_proj, query),
            (attention.k_proj, key),
            (attention.v_proj, value),
        )
    )
    weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1)
    mixed: Tensor = attention.out_proj((weights @ v).transpose(1, 2).flatten(2))
    return mixed
